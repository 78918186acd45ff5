"""A milter in this process as the other end of a link: what is written reaches it with no socket in between.

It has the face of ``Stream``. What the milter answers at once is handed on before ``write`` returns, unless
that itself is the answer to something being handed on: then it waits for its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from postmill.errors import ProtocolError
from postmill.filtering import FilterSession
from postmill.filtering.session import Work
from postmill.wire.codes import Command
from postmill.wire.framing import frame

if TYPE_CHECKING:
    from postmill.net.poller import Loop

log = logging.getLogger("postmill.filter")

_NOTHING_NEW = (b"", frame(Command.QUIT), frame(Command.ABORT) + frame(Command.QUIT))
"""Last words that tell a milter only that all is over, which it learns by being given up."""


class FilterStream:
    """Carries bytes to one ``FilterSession`` and back."""

    __slots__ = (
        "_busy",
        "_error",
        "_inbox",
        "_loop",
        "_session",
        "_task",
        "_work",
        "because",
        "name",
        "on_data",
        "on_end",
        "open",
    )

    def __init__(
        self,
        loop: Loop,
        name: str,
        session: FilterSession,
        on_data: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Be the stream to a milter of this name; ``on_end`` is told in words that it failed."""
        self.name = name
        self._loop = loop
        self._session = session
        self._inbox: deque[bytes] = deque()
        self._busy = False
        self._work: Work | None = None
        """Handlers at work; they may be done before there is a task of them."""
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self.open = True
        self.because = ""
        """Why its last verdict is what it is."""
        self.on_data = on_data
        self.on_end = on_end

    def write(self, data: bytes) -> None:
        """Let the milter have some bytes."""
        if not self.open or not data:
            return
        self._inbox.append(data)
        if not self._busy and self._work is None:
            self._go_on()

    def close(self, farewell: bytes = b"") -> None:
        """Give up whatever the milter is at."""
        if farewell not in _NOTHING_NEW:
            self.write(farewell)
        if not self.open:
            return
        self.open = False
        self.on_data = self.on_end = _ignore
        self._inbox.clear()
        task, self._work, self._task = self._task, None, None
        if task is not None:
            task.cancel()

    def _go_on(self) -> None:
        """Work off what was written, until a handler has to be waited for."""
        self._busy = True
        try:
            while True:
                if self._inbox:
                    self._session.receive(self._inbox.popleft())
                if not self._advance() or not self._inbox:
                    return
        finally:
            self._busy = False

    def _advance(self) -> bool:
        """Let the session go on as far as it can; False when a handler is at work or all is over."""
        while True:
            try:
                work = self._session.advance()
            except Exception as error:  # the MTA broke the protocol, or a handler failed at once
                self._failed(error)
                return False
            listens = self._hand_on()
            if work is None:
                return listens
            if not listens:
                work.close()
                return False
            if not self._done_at_once(work):
                return False

    def _done_at_once(self, work: Work) -> bool:
        """Begin to run handlers; tell whether they were done without waiting for anything, and well."""
        self._work = work
        task = self._loop.begin(self._drive(work))
        if not task.done():
            self._task = task
            return False
        error, self._work, self._error = self._error, None, None
        if error is not None:
            self._failed(error)
        return error is None

    async def _drive(self, work: Work) -> None:
        """Run handlers; where they had to wait, go on in the same turn of the event loop."""
        error: BaseException | None = None
        try:
            await work
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        if self._work is not work:  # given up
            if isinstance(error, asyncio.CancelledError):
                raise error
        elif self._task is None:
            self._error = error
        else:
            self._work = self._task = None
            if error is None:
                self._go_on()
            else:
                self._failed(error)

    def _hand_on(self) -> bool:
        """Hand on what the session has to say; tell whether anybody still listens."""
        data = self._session.output()
        if data:
            self.because, self._session.because = self._session.because, ""
            self.on_data(data)
        return self.open

    def _failed(self, error: BaseException) -> None:
        words = (
            str(error) if isinstance(error, OSError) and str(error) else f"{type(error).__name__}: {error}"
        )
        if not isinstance(error, OSError | ProtocolError):  # a defect; a service that is down is none
            log.error("%s: %s", self.name, words, exc_info=error)
        on_end = self.on_end
        self.close()
        on_end(words)


def _ignore(_: object) -> None:
    """Nobody listens any more."""
