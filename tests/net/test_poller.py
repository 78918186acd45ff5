"""The loop serves watched sockets by itself, and gives asyncio its turn whenever asyncio has something to do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from time import monotonic

import pytest

from postmill.net.poller import ACCEPT, READ, WRITE, Loop

Pair = tuple[socket.socket, socket.socket]
LONG = 60.0
"""Seconds that no test waits for: what comes sooner came because the loop was interrupted."""


@pytest.fixture
def loop() -> Generator[Loop, None, None]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Generator[Pair, None, None]:
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        yield here, there


def run(loop: Loop, future: asyncio.Future[object]) -> object:
    return loop.run_until_complete(asyncio.wait_for(future, LONG))


def when_ready(loop: Loop, sock: socket.socket, act: Callable[[bytes], object]) -> None:
    loop.poller.watch(sock.fileno(), READ, lambda _events: act(sock.recv(100)))


def test_a_future_that_a_socket_callback_sets_is_seen_at_once(loop: Loop, pair: Pair) -> None:
    here, there = pair
    future = loop.create_future()
    when_ready(loop, here, future.set_result)
    there.send(b"hello")
    assert run(loop, future) == b"hello"


def test_a_timer_set_by_a_socket_callback_is_not_slept_through(loop: Loop, pair: Pair) -> None:
    here, there = pair
    future = loop.create_future()
    when_ready(loop, here, lambda data: loop.call_later(0.01, future.set_result, data))
    there.send(b"hello")
    assert run(loop, future) == b"hello"


def test_timers_have_their_turn_while_sockets_are_busy(loop: Loop, pair: Pair) -> None:
    here, there = pair
    rounds = 0

    def again(_events: int) -> None:
        nonlocal rounds
        rounds += 1  # nothing is read, so the socket stays ready

    loop.poller.watch(here.fileno(), READ, again)
    there.send(b"x")
    future = loop.create_future()
    loop.call_later(0.05, future.set_result, None)
    run(loop, future)
    assert rounds > 1


def test_another_thread_and_a_reader_of_asyncio_interrupt(loop: Loop, pair: Pair) -> None:
    here, there = pair
    future = loop.create_future()

    def read() -> None:
        future.set_result(here.recv(100))
        loop.remove_reader(here)

    loop.add_reader(here, read)
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(there.send, b"hello"))
    loop.call_later(0.01, thread.start)
    assert run(loop, future) == b"hello"
    thread.join()


def test_a_socket_forgotten_in_the_same_round_is_not_called(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def close_the_other(number: int, _events: int) -> None:
        called.append(number)
        for sock in pairs[1 - number]:
            loop.poller.forget(sock.fileno())
            sock.close()

    for number, (here, there) in enumerate(pairs):
        loop.poller.watch(here.fileno(), READ, partial(close_the_other, number))
        there.send(b"x")
    assert loop.poller.select(0) == []
    assert len(called) == 1
    for sock in pairs[called[0]]:
        sock.close()


def test_events_can_be_changed_and_given_up(loop: Loop, pair: Pair) -> None:
    here, there = pair
    seen: list[int] = []
    poller = loop.poller
    poller.watch(here.fileno(), WRITE, seen.append)
    poller.select(0)
    poller.change(here.fileno(), READ)
    poller.select(0)
    there.send(b"x")
    poller.select(0)
    poller.unwatch(here.fileno())
    poller.select(0)
    assert seen == [WRITE, READ]


def test_a_task_that_receives_goes_on_without_a_turn_of_asyncio(loop: Loop, pair: Pair) -> None:
    here, there = pair
    seen: list[bytes] = []

    async def receive() -> None:
        for _ in range(2):
            seen.append(await loop.sock_recv(here, 100))

    task = loop.create_task(receive())
    loop.run_until_complete(asyncio.sleep(0))
    for word in (b"one", b"two"):
        there.send(word)
        loop.poller.select(0)
        assert seen[-1] == word
    assert task.done()
    loop.poller.watch(here.fileno(), READ, print)  # it is not watched any more


def test_what_is_there_already_is_received_at_once(loop: Loop, pair: Pair) -> None:
    here, there = pair
    there.send(b"hello")
    assert loop.run_until_complete(loop.sock_recv(here, 3)) == b"hel"
    assert loop.run_until_complete(loop.sock_recv(here, 3)) == b"lo"
    there.close()
    assert loop.run_until_complete(loop.sock_recv(here, 3)) == b""


def test_receiving_can_be_given_up(loop: Loop, pair: Pair) -> None:
    here, there = pair

    async def give_up() -> bytes:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await loop.sock_recv(here, 100)
        task = asyncio.create_task(loop.sock_recv(here, 100))
        await asyncio.sleep(0)
        task.cancel()
        there.send(b"hello")
        loop.poller.select(0)  # cancelled, and ready before it knows
        await asyncio.wait([task])
        assert task.cancelled()
        return await loop.sock_recv(here, 100)

    assert loop.run_until_complete(asyncio.wait_for(give_up(), LONG)) == b"hello"


def test_only_a_timer_before_all_others_interrupts(loop: Loop) -> None:
    stirred: list[bool] = []

    def look(_events: int) -> None:
        for delay in (LONG * 2, LONG / 2):
            loop.poller.stirred = False
            loop.call_later(delay, print).cancel()
            stirred.append(loop.poller.stirred)

    here, there = socket.socketpair()
    with here, there:
        loop.poller.watch(there.fileno(), WRITE, look)
        loop.poller.select(LONG)
    assert stirred == [False, True]


def test_select_waits_no_longer_than_told(loop: Loop) -> None:
    began = monotonic()
    assert loop.poller.select(0.02) == []
    assert monotonic() - began >= 0.02


def test_a_new_connection_reaches_one_of_those_who_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        accepted: list[socket.socket] = []
        done = threading.Event()

        def accept(_events: int) -> None:
            with suppress(BlockingIOError):
                accepted.append(listener.accept()[0])
                done.set()

        loops = [Loop(), Loop()]
        threads = []
        for loop in loops:
            loop.poller.watch(listener.fileno(), ACCEPT, accept)
            threads.append(threading.Thread(target=loop.run_forever))
        for thread in threads:
            thread.start()
        for _ in range(3):
            done.clear()
            with socket.create_connection(listener.getsockname()):
                assert done.wait(LONG)
        for loop, thread in zip(loops, threads, strict=True):
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
        assert len(accepted) == 3
        for sock in accepted:
            sock.close()


def test_what_is_begun_and_waits_for_nothing_is_done_at_once(loop: Loop, pair: Pair) -> None:
    here, there = pair
    done = loop.create_future()

    async def work() -> None:
        async with asyncio.timeout(LONG):  # needs a task
            done.set_result(asyncio.current_task())

    def begin(_data: bytes) -> None:
        task = loop.begin(work())
        assert task.done()
        assert done.result() is task

    when_ready(loop, here, begin)
    there.send(b"hello")
    run(loop, done)


def test_what_is_begun_and_waits_goes_on_when_that_comes(loop: Loop, pair: Pair) -> None:
    here, there = pair
    awaited, done = loop.create_future(), loop.create_future()
    tasks: list[object] = []

    async def work() -> None:
        tasks.append(asyncio.current_task())
        tasks.append(await awaited)
        tasks.append(asyncio.current_task())
        done.set_result(None)

    def begin(data: bytes) -> None:
        if data == b"first":
            task = loop.begin(work())
            assert not task.done()
            assert tasks == [task]
            there.send(b"second")
        else:
            awaited.set_result(data)

    when_ready(loop, here, begin)
    there.send(b"first")
    run(loop, done)
    assert tasks == [tasks[0], b"second", tasks[0]]


def test_what_is_begun_within_a_task_has_its_turn_later(loop: Loop) -> None:
    course: list[str] = []

    async def inner() -> None:
        course.append("inner")

    async def outer() -> None:
        task = loop.begin(inner())
        course.append("outer")
        await task

    run(loop, loop.create_task(outer()))
    assert course == ["outer", "inner"]


def test_what_is_begun_leaves_the_context_alone_and_failing_tells_its_task(loop: Loop, pair: Pair) -> None:
    here, there = pair
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    done = loop.create_future()

    async def work() -> None:
        variable.set("set")
        raise OSError("no")

    def begin(_data: bytes) -> None:
        assert isinstance(loop.begin(work()).exception(), OSError)
        done.set_result(variable.get())

    when_ready(loop, here, begin)
    there.send(b"hello")
    assert run(loop, done) == "unset"
