"""Sockets in the spellings of milters, of systemd and of rspamd."""

from __future__ import annotations

import pytest

from postmill.api import Platform, Source
from postmill.detectors.readers.sockets import listen_stream, milter_socket, understood
from postmill.detectors.readers.values import UNKNOWN, Value
from postmill.errors import EndpointError
from postmill.testing.paper_machine import Directory, Entry, Link, PaperMachine

LINUX = PaperMachine({"/var/run": Link("/run")})


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ("local:/run/x", "unix:/run/x"),
        ("unix:/var/run/x", "unix:/run/x"),
        ("/var/run/../run/x", "unix:/run/x"),
        ("inet:8891", "inet:8891@127.0.0.1"),
        ("inet:8891@0.0.0.0", "inet:8891@127.0.0.1"),
        ("inet:8891@*", "inet:8891@127.0.0.1"),
        ("inet6:8891@::", "inet6:8891@::1"),
        ("inet6:8891@[::]", "inet6:8891@::1"),
        ("INET:8891@localhost", "inet:8891@localhost"),
        ("inet:8891@[127.0.0.1]", "inet:8891@127.0.0.1"),
        ("inet:8891@mail.example.org", "inet:8891@mail.example.org"),
    ],
)
def test_what_a_milter_listens_at(text: str, socket: str) -> None:
    assert str(milter_socket(LINUX, Platform.DEBIAN, text)) == socket


@pytest.mark.parametrize(
    ("text", "socket"),
    [
        ("/var/run/x", "unix:/run/x"),
        ("8891", "inet:8891@127.0.0.1"),
        ("127.0.0.1:8891", "inet:8891@127.0.0.1"),
        ("[::1]:8891", "inet6:8891@::1"),
        ("[::]:8891", "inet6:8891@::1"),
        ("0.0.0.0:8891", "inet:8891@127.0.0.1"),
        ("*:11332", "inet:11332@127.0.0.1"),
        ("*v4:11332", "inet:11332@127.0.0.1"),
        ("*v6:11332", "inet6:11332@::1"),
        ("localhost:11332", "inet:11332@localhost"),
    ],
)
def test_what_systemd_and_rspamd_listen_at(text: str, socket: str) -> None:
    assert str(listen_stream(LINUX, Platform.DEBIAN, text)) == socket


@pytest.mark.parametrize("text", ["", "vsock:2:5", "@abstract", "host:port", "a b:5", "\0", "localhost"])
def test_what_nobody_can_connect_to(text: str) -> None:
    with pytest.raises(EndpointError):
        listen_stream(LINUX, Platform.DEBIAN, text)


@pytest.mark.parametrize(
    ("platform", "files", "path"),
    [
        (Platform.DEBIAN, {"/var/run": Link("/run")}, "/run/x"),
        (Platform.DEBIAN, {}, "/run/x"),
        (Platform.DEBIAN, {"/var/run": Directory()}, "/var/run/x"),
        (Platform.REDHAT, {"/var/run": Link("../run")}, "/run/x"),
        (Platform.FREEBSD, {"/var/run": Directory()}, "/var/run/x"),
        (Platform.FREEBSD, {}, "/var/run/x"),
    ],
)
def test_var_run_is_run_where_it_leads_there(platform: Platform, files: dict[str, Entry], path: str) -> None:
    assert milter_socket(PaperMachine(files), platform, "/var/run/x").path == path


def test_what_is_wrong_is_said_with_its_place() -> None:
    source = Source("/etc/x.conf", 7)
    endpoint, problem = understood(LINUX, Platform.DEBIAN, Value("x.sock", source))
    assert endpoint is None
    assert problem.startswith("/etc/x.conf:7: endpoint 'x.sock': the type in front is missing")
    unclear = understood(LINUX, Platform.DEBIAN, Value(f"local:{UNKNOWN}", source))
    assert unclear == (None, "only running /etc/x.conf would tell its socket")
