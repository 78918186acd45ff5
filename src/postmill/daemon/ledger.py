"""What a worker has counted, and the batches in which records go to the history.

Each record is counted once, into the tally of the batch under way. When a batch is handed over, its tally is
added to what there was before, so all that is counted is the sum of both.
"""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial

from postmill.config.settings import Settings
from postmill.history import Batch, Historian, Limits, open_database
from postmill.history.writing import MINUTE
from postmill.record import MessageRecord, Tally

_EVERY = 1.0
"""Seconds in which records are put together: how late one may be seen."""


def historian_of(settings: Settings) -> Historian | None:
    """Return who writes the history that is configured; None when there is none."""
    history = settings.history
    if not history.url:
        return None
    return Historian(
        partial(open_database, history.url, writes=True),
        socket.gethostname(),
        history.addresses,
        Limits(history.keep, history.max_size, history.keep_counts),
    )


class Ledger:
    """Counts records, and hands them on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, historian: Historian | None) -> None:
        self._loop = loop
        self._historian = historian
        self._past = Tally()
        self._batch = Batch(_minute())
        self._waits: asyncio.TimerHandle | None = None
        self._most = (0, 0)
        """A minute, and the most sessions that were seen open in it."""

    @property
    def tally(self) -> Tally:
        """All that was counted."""
        whole = Tally()
        whole.merge(self._past.as_dict())
        whole.merge(self._batch.tally.as_dict())
        return whole

    def add(self, record: MessageRecord) -> None:
        """Take a record that is complete."""
        record.time = time.time()
        self._current().tally.add(record, record.time)
        if self._historian is not None:
            self._batch.records.append(record)

    def session_ended(self, seconds: float) -> None:
        """Count a session that was open for so long."""
        tally = self._current().tally
        tally.sessions += 1
        tally.open_seconds += seconds

    def sessions_open(self, sessions: int) -> None:
        """Take note of how many sessions all workers have open at this moment."""
        most = _minute(), sessions
        if sessions and most > self._most:
            self._most = most
            self._current().tally.most_open = sessions

    def _current(self) -> Batch:
        """Return the batch of this minute."""
        if self._historian is not None:
            if self._batch.start != _minute():
                self._hand_over()
            if self._waits is None:
                self._waits = self._loop.call_later(_EVERY, self._hand_over)
        return self._batch

    def _hand_over(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
        batch, self._batch = self._batch, Batch(_minute())
        self._past.merge(batch.tally.as_dict())
        if self._historian is not None and (batch.records or batch.tally.sessions or batch.tally.most_open):
            self._historian.take(batch)

    def close(self, within: float) -> None:
        """Write what is left, for at most so many seconds."""
        self._hand_over()
        if self._historian is not None:
            self._historian.close(within)


def _minute() -> int:
    return int(time.time()) // MINUTE * MINUTE
