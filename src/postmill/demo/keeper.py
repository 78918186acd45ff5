"""Keeping the demo's processes running: each that ends is started again after a pause, and that is told."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Self

from postmill.errors import UnavailableError

BACK_AFTER = 3.0
"""Seconds after which a process that was ended by somebody is started again."""

Begin = Callable[[], AbstractAsyncContextManager[Process]]
"""Starts a process, serving when entered, ended on the way out; UnavailableError when it cannot start."""


class Keeper:
    """Runs processes and keeps them; an async context manager that ends them on the way out.

    `say` is told when one goes and when it is back.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._tasks: list[asyncio.Task[NoReturn]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start(self, name: str, begin: Begin, meanwhile: str) -> int:
        """Start one and return its process id, or raise the error that `begin` raised.

        `meanwhile` says what becomes of mail while it is gone.
        """
        loop = asyncio.get_running_loop()
        started: asyncio.Future[int] = loop.create_future()
        task = loop.create_task(self._keep(name, begin, meanwhile, started))
        self._tasks.append(task)
        await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
        return started.result() if started.done() else await task

    async def _keep(self, name: str, begin: Begin, meanwhile: str, started: asyncio.Future[int]) -> NoReturn:
        while True:
            try:
                async with begin() as process:
                    if started.done():
                        self._say(f"\n{name} is back, process {process.pid}.")
                    else:
                        started.set_result(process.pid)
                    await process.wait()
                self._say(f"\n{name} has ended. It comes back in {BACK_AFTER:.0f} s; {meanwhile}.")
            except UnavailableError as error:
                if not started.done():
                    raise
                self._say(f"\n{name} is not back: {error}. It is tried again in {BACK_AFTER:.0f} s.")
            await asyncio.sleep(BACK_AFTER)
