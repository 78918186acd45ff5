"""Threads for handlers that are plain functions.

They are daemons of one milter's own: a handler that hangs holds up no other milter, and no process that wants
to end. asyncio's pool would do both.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

log = logging.getLogger("postmill.filter")

MOST = 100
"""Calls at the same time, for each milter of a process."""

_Inbox = SimpleQueue[Callable[[], bool] | None]


class Threads:
    """Those of one milter, used on one event loop; kept from one call to the next."""

    def __init__(self, name: str, most: int = MOST) -> None:
        """Begin with none; ``name`` is the milter's."""
        self._name = name
        self._most = most
        self._free = asyncio.Semaphore(most)
        self._idle: list[_Inbox] = []

    async def run(self, function: Callable[[], Any]) -> Any:
        """Return what the function returns, or raise what it raises; cancelled, it runs on, and to no effect.

        Waits as long as there are too many that run.
        """
        if self._free.locked():
            log.warning("%s: %d handlers are running in threads, more have to wait", self._name, self._most)
        await self._free.acquire()
        try:
            inbox = self._idle.pop() if self._idle else self._start()
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        settle = partial(self._settle, inbox, future)
        inbox.put(partial(_work, contextvars.copy_context(), function, loop, settle))
        return await future

    def _start(self) -> _Inbox:
        inbox: _Inbox = SimpleQueue()
        Thread(target=_serve, args=(inbox,), name=f"{self._name} handler", daemon=True).start()
        return inbox

    def _settle(
        self, inbox: _Inbox, future: asyncio.Future[Any], result: Any, error: BaseException | None
    ) -> None:
        self._idle.append(inbox)
        self._free.release()
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def __del__(self) -> None:
        """Let them end: no more will be asked of them."""
        for inbox in self._idle:
            inbox.put(None)


def _serve(inbox: _Inbox) -> None:
    while _did_one(inbox):  # and holds nothing of it while it waits for the next
        pass


def _did_one(inbox: _Inbox) -> bool:
    work = inbox.get()
    return work is not None and work()


def _work(
    context: contextvars.Context,
    function: Callable[[], Any],
    loop: asyncio.AbstractEventLoop,
    settle: Callable[[Any, BaseException | None], None],
) -> bool:
    """Call the function and hand on what comes of it; False when nobody is there any more."""
    result: Any = None
    failure: BaseException | None = None
    try:
        result = context.run(function)
    except StopIteration as error:  # no future takes it
        failure = RuntimeError("it raised StopIteration")
        failure.__cause__ = error
    except BaseException as error:
        failure = error
    try:
        loop.call_soon_threadsafe(settle, result, failure)
    except RuntimeError:  # the loop is closed
        return False
    return True
