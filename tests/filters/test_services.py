"""A service that filters ask: its addresses, its time-outs, a backlog that is full."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from postmill.filters._services import Service, Wire
from postmill.net.poller import Loop
from postmill.wire.endpoint import parse_endpoint

SOON = 0.2
LONG = 30.0


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A service that takes nobody in by itself, and lets one wait."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "service.sock"))
        listener.listen(0)
        yield listener


async def echo(wire: Wire) -> bytes:
    await wire.send(b"hello\n")
    return await wire.receive(b"\n")


def ask(listener: socket.socket, connect_timeout: float = LONG, timeout: float = LONG) -> bytes:
    address = parse_endpoint(f"unix:{listener.getsockname()}")
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(Service("echo", [address], connect_timeout, timeout).ask(echo))


def wait_in_front(listener: socket.socket) -> socket.socket:
    """Fill the backlog."""
    first = socket.socket(socket.AF_UNIX)
    first.connect(listener.getsockname())
    return first


def answer(listener: socket.socket, others: int) -> None:
    """Take in those in front, then give back what the last one says."""
    for _ in range(others):
        listener.accept()[0].close()
    connection, _ = listener.accept()
    with connection:
        connection.sendall(connection.recv(100))


@pytest.mark.parametrize("others", [0, 1])
def test_it_answers(listener: socket.socket, others: int) -> None:
    waiting = [wait_in_front(listener) for _ in range(others)]
    later = threading.Timer(0.1, answer, (listener, others))
    later.start()
    assert ask(listener) == b"hello\n"
    later.join()
    for one in waiting:
        one.close()


def test_a_backlog_that_stays_full(listener: socket.socket) -> None:
    with wait_in_front(listener), pytest.raises(OSError, match=r"service\.sock: no connection within 0\.2 s"):
        ask(listener, connect_timeout=SOON)


def test_it_takes_too_long(listener: socket.socket) -> None:
    with pytest.raises(OSError, match=r"service\.sock: no answer within 0\.2 s"):
        ask(listener, timeout=SOON)


class Server:
    """Takes everybody in, gives ``reply``, and hangs up; counts whom it took in."""

    def __init__(self, path: Path, reply: bytes = b"") -> None:
        self.address = parse_endpoint(f"unix:{path}")
        self.reply = reply
        self.taken = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            self.taken += 1
            with connection:
                connection.recv(100)
                connection.sendall(self.reply)


def test_one_that_is_gone_for_long_is_not_waited_for_by_everybody(tmp_path: Path) -> None:
    server = Server(tmp_path / "service.sock")
    service = Service("echo", [server.address], LONG, LONG)

    async def tries() -> int:
        before = server.taken
        with suppress(OSError):
            await service.ask(echo, SOON)
        return server.taken - before

    async def run() -> None:
        assert await tries() > 1
        assert [await tries(), await tries()] == [1, 1]
        server.reply = b"hello\n"
        assert await tries() == 1
        server.reply = b""
        assert await tries() > 1

    asyncio.run(run())


def test_one_that_failed_is_asked_last(tmp_path: Path) -> None:
    broken = Server(tmp_path / "broken.sock")
    well = Server(tmp_path / "well.sock", b"hello\n")
    service = Service("echo", [broken.address, well.address], LONG, LONG)

    async def run() -> None:
        for _ in range(3):
            assert await service.ask(echo) == b"hello\n"

    asyncio.run(run())
    assert (broken.taken, well.taken) == (1, 3)


def test_nobody_connects_where_packets_are_lost() -> None:
    """The backlog of a TCP socket is full, so the first packet of another connection is not answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            service = Service("echo", [parse_endpoint(f"inet:{port}@127.0.0.1")], SOON, LONG)
            with pytest.raises(OSError, match=r"no connection within 0\.2 s"):
                asyncio.run(service.ask(echo))
