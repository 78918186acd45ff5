"""Connections that are slow, silent or many keep nobody else out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from postmill.web.serving import MOST_CONNECTIONS
from tests.interop.postfix import wait_until
from tests.web.staging import Stage, stage
from tests.web.visitor import Visitor


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    with stage() as made:
        yield made


def connect(one: Stage) -> socket.socket:
    parts = urlsplit(one.url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), 90)


def reads_nothing_more(sock: socket.socket) -> bool:
    """Whether the other side closes the connection, in whatever way, without an answer."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: 127.0", b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
)
def test_who_is_silent_is_left(one: Stage, said: bytes) -> None:
    with connect(one) as sock:
        sock.sendall(said)
        if said.endswith(b"\r\n\r\n"):
            received = b""
            while b"</html>" not in received:
                received += sock.recv(65536)
            sock.sendall(b"GET /")
        assert reads_nothing_more(sock)


def test_a_form_that_does_not_end_is_refused(one: Stage) -> None:
    with connect(one) as sock:
        sock.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nname=")
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_too_many_connections_and_then_none(one: Stage) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(connect(one)) for _ in range(MOST_CONNECTIONS + 20)]
        assert sum(map(is_closed, many)) >= 20
    wait_until(lambda: Visitor(one.url).get("/login").status == 200, "an answer", 20)


def is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.5)
    try:
        return reads_nothing_more(sock)
    except TimeoutError:
        return False
