"""How much is kept: messages up to an age and a size, counts longer, and old counts by the hour."""

from __future__ import annotations

from dataclasses import dataclass

from postmill.history.databases import Database
from postmill.history.tables import MICROSECONDS, pack, unpack, unpack_words
from postmill.record import Tally

HOUR = 3600
BY_THE_MINUTE = 2 * 86400
"""Seconds for which counts are kept by the minute."""
SETTLED = 180
"""Seconds after which nobody adds to a minute any more, unless the database was away."""
_AT_ONCE = 1000
"""Messages removed in one transaction, so that nobody waits long to write."""
_MOST = 50
"""Transactions at a time; the rest is for the next time."""

_OF_ONE_SPAN = "SELECT tally FROM {p}counts WHERE host = ? AND start >= ? AND start < ?"
_WITHOUT_THEM = "DELETE FROM {p}counts WHERE host = ? AND start >= ? AND start < ?"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept: ages in seconds, sizes in bytes; 0 is without limit."""

    keep: float = 0.0
    max_size: int = 0
    keep_counts: float = 0.0


def keep_within(database: Database, limits: Limits, now: float) -> None:
    """Remove what is beyond the limits, oldest first, and put old counts together; raises OSError."""
    _put_together(database, 60, SETTLED, now)
    _put_together(database, HOUR, BY_THE_MINUTE, now)
    if limits.keep_counts:
        database.rows("DELETE FROM {p}counts WHERE start < ?", (int(now - limits.keep_counts),))
    oldest = int((now - limits.keep) * MICROSECONDS) if limits.keep else 0
    for _ in range(_MOST):
        too_big = limits.max_size > 0 and database.size() > limits.max_size
        if not _remove_oldest(database, None if too_big else oldest):
            return


def _remove_oldest(database: Database, before: int | None) -> bool:
    """Remove some messages, older than an id or the oldest at all; False when there was none."""
    with database.transaction():
        if before is None:
            found = database.rows("SELECT id, words FROM {p}messages ORDER BY id LIMIT ?", (_AT_ONCE,))
        else:
            found = database.rows(
                "SELECT id, words FROM {p}messages WHERE id < ? ORDER BY id LIMIT ?", (before, _AT_ONCE)
            )
        words = [(word, row) for row, cell in found for word in unpack_words(bytes(cell))]
        database.many("DELETE FROM {p}words WHERE word = ? AND message = ?", words)
        database.many("DELETE FROM {p}messages WHERE id = ?", [(row,) for row, _ in found])
    return bool(found)


def _put_together(database: Database, span: int, after: float, now: float) -> None:
    """Make one row of all rows of one host and span of time that is over for long enough."""
    until = int(now - after) // span * span
    lots = database.rows(
        "SELECT start / ? * ?, host FROM {p}counts WHERE start < ? AND span <= ? "
        "GROUP BY 1, 2 HAVING count(*) > 1 OR max(span) < ? ORDER BY 1 LIMIT 500",
        (span, span, until, span, span),
    )
    for start, host in lots:
        these = (host, start, start + span)
        with database.transaction():
            whole = Tally()
            for (cell,) in database.rows(_OF_ONE_SPAN, these):
                whole.merge(unpack(bytes(cell)))
            database.rows(_WITHOUT_THEM, these)
            database.rows(
                "INSERT INTO {p}counts VALUES (?, ?, ?, ?)", (start, span, host, pack(whole.as_dict()))
            )
