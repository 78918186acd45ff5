"""Writing: a thread in each worker that stores batches of records, and never holds up mail.

The event loop only appends to a batch and hands it over. While the database cannot be written, batches
wait; beyond ``MOST_WAITING`` records the oldest are given up, which is logged, but what was counted of them
is kept and written later.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from postmill.history.databases import Database
from postmill.history.keeping import Limits, keep_within
from postmill.history.privacy import hidden
from postmill.history.tables import MICROSECONDS, pack, pack_record, pack_words
from postmill.history.words import words_of
from postmill.record import MessageRecord, Tally

log = logging.getLogger("postmill.history")

MOST_WAITING = 20_000
"""Records kept in memory for a database that cannot be written."""
MINUTE = 60
_RETRY = 5.0
"""Seconds between two tries to reach it."""
_KEEP_EVERY = 60.0


@dataclass(slots=True)
class Batch:
    """Records of one minute, and what is counted of them."""

    start: int
    """When the minute began, in seconds of the wall clock."""
    records: list[MessageRecord] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


class Historian:
    """Stores what it is given, in a thread of its own."""

    def __init__(
        self, reach: Callable[[], Database], host: str, addresses: str = "keep", limits: Limits | None = None
    ) -> None:
        """Write to what ``reach`` opens; ``host`` names this machine.

        ``addresses`` is one of ``history.ADDRESSES``; ``limits`` what to keep, None to remove nothing.
        """
        self._reach = reach
        self._host = host
        self._addresses = addresses
        self._limits = limits
        self._incoming: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._waiting: list[Batch] = []
        self._database: Database | None = None
        self._key = b""
        self._silent_until = 0.0
        self._failed = False
        self._ending = False
        self._singly = False
        """One record at a time, after a defect, to lose no more than what is odd."""
        self._kept_at = 0.0
        self._thread = threading.Thread(target=self._run, name="postmill-history", daemon=True)
        self._thread.start()

    def take(self, batch: Batch) -> None:
        """Store a batch, soon; it belongs to the historian from now on."""
        self._incoming.put(batch)

    def close(self, within: float) -> None:
        """Store what is left, for at most so many seconds; what cannot be stored by then is logged."""
        self._incoming.put(None)
        self._thread.join(within)
        if self._thread.is_alive():
            log.warning("history: the last records could not be written in time")

    # in the thread

    def _run(self) -> None:
        while not self._ending:
            self._turn()
        if self._singly:  # the last turn met a defect
            self._turn()
        if self._waiting:
            log.warning("history: %d records were not written", sum(len(b.records) for b in self._waiting))
        if self._database is not None:
            self._database.close()

    def _turn(self) -> None:
        """Take what has come, and write it."""
        self._collect()
        if not self._waiting or (time.monotonic() < self._silent_until and not self._ending):
            return
        try:
            self._write()
        except OSError as error:
            self._fail(error)
        except Exception:  # who keeps records must not end with one that is odd
            log.exception("defect in Postmill; the history takes records one by one, mail goes on")
            if self._singly:  # so it is not the records
                self._silent_until = time.monotonic() + _RETRY
            else:
                self._waiting = [one for batch in self._waiting for one in _single(batch)]
                self._singly = bool(self._waiting)

    def _collect(self) -> None:
        """Wait for batches; with some that wait themselves, not for long."""
        if self._ending:
            return
        try:
            batch = self._incoming.get(timeout=self._patience)
            while batch is not None:
                self._waiting.append(batch)
                batch = self._incoming.get_nowait()
            self._ending = True
        except queue.Empty:
            self._give_up_oldest()

    @property
    def _patience(self) -> float | None:
        if self._singly and time.monotonic() >= self._silent_until:
            return 0.0
        return _RETRY if self._waiting else None

    def _give_up_oldest(self) -> None:
        too_many = sum(len(batch.records) for batch in self._waiting) - MOST_WAITING
        if too_many <= 0:
            return
        log.warning("history: cannot be written; the oldest %d waiting records are given up", too_many)
        for batch in self._waiting:
            gone = min(too_many, len(batch.records))
            del batch.records[:gone]
            too_many -= gone
        self._waiting = _merged(self._waiting)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            log.error("history: %s; records wait, mail goes on", error)
        self._failed = True
        self._silent_until = time.monotonic() + _RETRY
        if self._database is not None:
            self._database.close()
            self._database = None

    def _write(self) -> None:
        database = self._database
        if database is None:
            database = self._database = self._reach()
            ((key,),) = database.rows("SELECT fact FROM {p}facts WHERE name = 'key'")
            self._key = bytes(key)
        if self._singly:
            self._write_singly(database)
        else:
            write(database, self._waiting, self._host, self._addresses, self._key)
        self._waiting, self._singly = [], False
        if self._failed:
            self._failed = False
            log.info("history: written again")
        if self._limits is not None and time.monotonic() >= self._kept_at:
            self._kept_at = time.monotonic() + _KEEP_EVERY
            keep_within(database, self._limits, time.time())

    def _write_singly(self, database: Database) -> None:
        waiting, lost = deque(self._waiting), 0
        while waiting:
            try:
                write(database, [waiting[0]], self._host, self._addresses, self._key)
            except OSError:
                self._waiting = [*waiting]
                raise
            except Exception:
                lost += 1
            waiting.popleft()
        if lost:
            log.error("history: %d records are odd, and lost to it", lost)


def _single(batch: Batch) -> Iterator[Batch]:
    """Yield the records of a batch each on its own, and what is counted of them."""
    for record in batch.records:
        yield Batch(batch.start, [record])
    yield Batch(batch.start, [], batch.tally)


def _merged(batches: Sequence[Batch]) -> list[Batch]:
    """Join batches without records to the next of their minute, lest they grow without end."""
    merged: list[Batch] = []
    for batch in batches:
        if merged and not merged[-1].records and merged[-1].start == batch.start:
            batch.tally.merge(merged.pop().tally.as_dict())
        merged.append(batch)
    return merged


def write(database: Database, batches: Sequence[Batch], host: str, addresses: str, key: bytes) -> None:
    """Store batches, all or none; raises OSError."""
    messages: list[tuple[Any, ...]] = []
    words: list[tuple[int, int]] = []
    records = [record for batch in batches for record in batch.records]
    cells = [_cell(record, addresses, key) for record in records]
    with database.transaction():
        ((last,),) = database.rows("SELECT coalesce(max(id), 0) FROM {p}messages")
        row = max(int(last) + 1, int(time.time() * MICROSECONDS))
        for record, cell in zip(records, cells, strict=True):
            found = words_of(record, addresses != "omit")
            messages.append((row, record.time, host, record.verdict, pack_words(found), cell))
            words.extend((word, row) for word in found)
            row += 1
        database.many("INSERT INTO {p}messages VALUES (?, ?, ?, ?, ?, ?)", messages)
        database.many("INSERT INTO {p}words VALUES (?, ?)", words)
        database.many(
            "INSERT INTO {p}counts VALUES (?, ?, ?, ?)",
            [(batch.start, MINUTE, host, pack(batch.tally.as_dict())) for batch in batches],
        )


def _cell(record: MessageRecord, addresses: str, key: bytes) -> bytes:
    if addresses == "keep":
        return pack_record(record.compact_json())
    return pack(hidden(record, addresses, key))
