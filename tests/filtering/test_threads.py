"""Handlers that are plain functions: what one does, or fails to do, is no other milter's concern."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from postmill.api import Message, Milter, Sender
from postmill.filtering.threads import Threads
from postmill.testing import deliver


def named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"{name} handler"]


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_one_thread_after_another_is_the_same_one() -> None:
    async def scenario() -> None:
        threads = Threads("one")
        assert len({await threads.run(threading.get_ident) for _ in range(5)}) == 1
        del threads
        gc.collect()
        await until(lambda: not named("one"))

    asyncio.run(scenario())


def test_too_many_wait_for_each_other_and_for_no_other_milter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        stuck, threads, others = threading.Event(), Threads("stuck", 2), Threads("other", 2)
        calls = [asyncio.ensure_future(threads.run(stuck.wait)) for _ in range(3)]
        await until(lambda: len(named("stuck")) == 2 and bool(caplog.messages))
        assert caplog.messages == ["stuck: 2 handlers are running in threads, more have to wait"]
        assert await others.run(lambda: "done") == "done"
        stuck.set()
        assert await asyncio.gather(*calls) == [True, True, True]

    asyncio.run(scenario())


def test_a_call_that_was_given_up_has_its_place_until_it_ends() -> None:
    async def scenario() -> None:
        stuck, threads = threading.Event(), Threads("given-up", 1)
        call = asyncio.ensure_future(threads.run(stuck.wait))
        await until(lambda: bool(named("given-up")))
        call.cancel()
        next_one = asyncio.ensure_future(threads.run(lambda: "next"))
        await asyncio.sleep(0.1)
        assert not next_one.done()
        stuck.set()
        assert await next_one == "next"

    asyncio.run(scenario())


def test_a_process_ends_although_a_handler_hangs() -> None:
    code = """
import asyncio, threading
from postmill.filtering.threads import Threads
async def main():
    await asyncio.wait_for(Threads("x").run(threading.Event().wait), 0.1)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.endswith("TimeoutError\n")


def leaves(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "told"),
    [(StopIteration(), "raised StopIteration"), (SystemExit(3), r"handler judge called sys\.exit\(3\)")],
)
@pytest.mark.parametrize("waits", [False, True])
def test_what_would_end_more_than_the_handler_does_not(error: BaseException, told: str, waits: bool) -> None:
    app, fail = Milter("app"), leaves(error)

    async def waiting(sender: Sender) -> None:
        await asyncio.sleep(0)
        fail()

    def judge(sender: Sender) -> None:
        fail()

    waiting.__name__ = "judge"
    app.on(waiting if waits else judge)
    with pytest.raises(RuntimeError, match=told):
        deliver(app)


def test_what_runs_at_once_does_not_either() -> None:
    app, fail = Milter("app"), leaves(SystemExit("over"))

    @app.on
    async def judge(msg: Message) -> None:
        fail()

    with pytest.raises(RuntimeError, match=r"handler judge called sys\.exit"):
        deliver(app)
