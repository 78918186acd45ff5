"""The running daemon as the dashboard sees it: asked over the control socket, as the commands do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from postmill.daemon.asking import ask
from postmill.errors import PostmillError, UnavailableError
from postmill.wire.endpoint import Endpoint

_FRESH = 1.0
"""Seconds for which everybody who looks sees the same status."""
_LOOK_WITHIN = 5.0
_CHANGE_WITHIN = 60.0

Status = dict[str, Any]


class Daemon:
    """Asks the daemon; ``now`` gives seconds."""

    def __init__(self, control: Endpoint | None, now: Callable[[], float]) -> None:
        self._control = control
        self._now = now
        self._at = float("-inf")
        self._status: Status | None = None
        self._trouble: PostmillError | None = None
        self._asking = asyncio.Lock()

    async def status(self) -> Status:
        """Return its status, a second old at most; raises PostmillError."""
        async with self._asking:
            if self._now() - self._at > _FRESH:
                await self._look()
        if self._status is None:
            assert self._trouble is not None
            raise self._trouble
        return self._status

    async def _look(self) -> None:
        self._status = self._trouble = None
        try:
            self._status = await self._ask("status", {}, _LOOK_WITHIN)
        except PostmillError as error:
            self._trouble = error
        self._at = self._now()

    async def change(self, command: str, user: str, **values: Any) -> Status:
        """Have something changed for a user of the dashboard; raises PostmillError."""
        try:
            return await self._ask(command, {**values, "on_behalf_of": user}, _CHANGE_WITHIN)
        finally:
            self._at = float("-inf")

    async def _ask(self, command: str, values: dict[str, Any], within: float) -> Status:
        if self._control is None:
            raise UnavailableError("the daemon has no control socket: control.socket is empty")
        return await asyncio.to_thread(ask, self._control, command, values, within)
