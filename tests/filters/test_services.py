"""A service that filters ask: its addresses, its time-outs, a backlog that is full."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from postmill.filters import _services
from postmill.filters._services import Service, Wire
from postmill.net.poller import Loop
from postmill.wire.endpoint import parse_endpoint
from tests.filters.scanners import FakeScanner

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


@pytest.fixture
def first(tmp_path: Path) -> Iterator[FakeScanner]:
    """A service that hangs up without a word."""
    fake = FakeScanner(tmp_path / "first.sock", b"", lambda stream: stream.readline())
    yield fake
    fake.close()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[FakeScanner]:
    """One that answers."""
    fake = FakeScanner(tmp_path / "second.sock", b"hello\n", lambda stream: stream.readline())
    yield fake
    fake.close()


def service_of(*addresses: str, timeout: float = LONG) -> Service:
    """Return the service at these addresses."""
    return Service("echo", [parse_endpoint(address) for address in addresses], LONG, timeout)


def test_one_that_is_gone_for_long_is_not_waited_for_by_everybody(first: FakeScanner) -> None:
    service = service_of(first.address)

    async def tries() -> int:
        before = len(first.asked)
        with suppress(OSError):
            await service.ask(echo, SOON)
        return len(first.asked) - before

    async def run() -> None:
        assert await tries() > 1
        assert [await tries(), await tries()] == [1, 1]
        first.reply = b"hello\n"
        assert await tries() == 1
        first.reply = b""
        assert await tries() > 1

    asyncio.run(run())


def test_one_that_failed_is_asked_last(first: FakeScanner, second: FakeScanner) -> None:
    service = service_of(first.address, second.address)

    async def run() -> None:
        for _ in range(3):
            assert await service.ask(echo) == b"hello\n"

    asyncio.run(run())
    assert (len(first.asked), len(second.asked)) == (1, 3)


@pytest.mark.parametrize("waited", [True, False])
def test_one_that_is_given_up_is_asked_last_if_it_had_its_time(
    waited: bool, listener: socket.socket, second: FakeScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MTA that gives up soon says nothing about who was asked."""
    monkeypatch.setattr(_services, "_MOMENT", 0.0 if waited else LONG)
    listener.listen(8)
    service = service_of(f"unix:{listener.getsockname()}", second.address, timeout=SOON)

    async def run() -> None:
        asking = asyncio.create_task(service.ask(echo))
        await asyncio.sleep(SOON / 4)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await service.ask(echo) == b"hello\n"

    asyncio.run(run())
    assert waiting_at(listener) == (1 if waited else 2)


def waiting_at(listener: socket.socket) -> int:
    """Return how many have connected and were not taken in."""
    listener.setblocking(False)
    for count in range(9):
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("the backlog is shorter")


def test_nobody_connects_where_packets_are_lost() -> None:
    """The backlog of a TCP socket is full, so the first packet of another connection is not answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            service = Service("echo", [parse_endpoint(f"inet:{port}@127.0.0.1")], SOON, LONG)
            with pytest.raises(OSError, match=r"no connection within 0\.2 s"):
                asyncio.run(service.ask(echo))
