"""Waiting for what conditions have to wait for, such as DNS; for a limited time, all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from postmill.chain.steps import Settle

if TYPE_CHECKING:
    from postmill.net.service import Service


class Settling:
    """Runs the jobs of one ``Settle``, leaves their results in it and calls back, unless cancelled before."""

    __slots__ = ("_command", "_done", "_task", "_within")

    def __init__(self, service: Service, command: Settle, done: Callable[[], None]) -> None:
        """Begin."""
        self._command = command
        self._done = done
        self._within = service.condition_timeout
        self._task = service.loop.create_task(self._run())

    async def _run(self) -> None:
        tasks = [asyncio.ensure_future(job) for job in self._command.jobs]
        try:
            _, late = await asyncio.wait(tasks, timeout=self._within)
        except asyncio.CancelledError:
            await _stop(tasks)
            raise
        await _stop(late)
        self._command.results = [self._result(task) for task in tasks]
        self._done()

    def _result(self, task: asyncio.Future[Any]) -> object:
        if task.cancelled():
            return TimeoutError(f"no answer within {self._within:g} s")
        return task.exception() or task.result()

    def cancel(self) -> None:
        """Nobody wants the results any more."""
        self._task.cancel()


async def _stop(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel what still runs, and take note of how it ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
