"""The history as the dashboard reads it: in a thread of its own, and what was counted only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from postmill.history import History, open_database
from postmill.record import Tally

T = TypeVar("T")

_SETTLED = 300
"""Seconds after which a count hardly changes any more."""
_ANEW_AFTER = 900.0
"""Seconds after which all is read again: a database that was away gets its counts late."""
_FRESH = 2.0
"""Seconds for which everybody who looks sees the same."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time that charts show, in steps; both in seconds."""

    name: str
    words: str
    length: int
    step: int

    def first(self, now: float) -> int:
        """Return when the first step begins; the last one is under way."""
        return int(now) // self.step * self.step - self.length + self.step


PERIODS = (
    Period("hour", "last hour", 3600, 60),
    Period("day", "last 24 hours", 86400, 900),
    Period("week", "last 7 days", 7 * 86400, 7200),
    Period("month", "last 30 days", 30 * 86400, 21600),
)


@dataclass(slots=True)
class _Kept:
    spans: dict[int, Tally] = field(default_factory=dict)
    since: int = 0
    """Before that, ``spans`` has what there is."""
    at: float = 0.0
    anew_at: float = 0.0


class Archive:
    """The history of one URL; every question raises OSError when it cannot be read."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self._url = url
        self._now = now
        self._history: History | None = None
        self._thread = ThreadPoolExecutor(1, "postmill-history")
        self._kept: dict[str, _Kept] = {}

    async def ask(self, question: Callable[[History], T]) -> T:
        """Put a question to the history."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    async def spans(self, period: Period) -> dict[int, Tally]:
        """Return what was counted in each step of a period, by its beginning; without those of no mail."""
        return await self.ask(lambda history: self._spans(history, period))

    def _answer(self, question: Callable[[History], T]) -> T:
        try:
            if self._history is None:
                self._history = History(open_database(self._url, writes=False))
            return question(self._history)
        except OSError:
            self._close()
            raise
        except ValueError as error:
            raise OSError(str(error)) from error

    def _spans(self, history: History, period: Period) -> dict[int, Tally]:
        now = self._now()
        kept = self._kept.setdefault(period.name, _Kept())
        if now >= kept.anew_at:
            kept.spans, kept.since, kept.anew_at = {}, 0, now + _ANEW_AFTER
        if now - kept.at < _FRESH:
            return kept.spans
        first = period.first(now)
        since = max(first, kept.since)
        spans = {start: tally for start, tally in kept.spans.items() if first <= start < since}
        spans |= history.tallies(since, 0.0, period.step)
        kept.spans, kept.at = spans, now
        kept.since = int(now - _SETTLED) // period.step * period.step
        return spans

    def _close(self) -> None:
        if self._history is not None:
            self._history.close()
            self._history = None

    def close(self) -> None:
        """Close it when the last question is answered."""
        self._thread.submit(self._close)
        self._thread.shutdown()
