"""Questions to a history: what happened to one message, which messages were such, how many were what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postmill.history.databases import Database, Row
from postmill.history.tables import MICROSECONDS, pack_words, unpack
from postmill.history.words import LOST, PASSED, bare, number
from postmill.record import MessageRecord, Tally

_MANY = 20_000
"""Messages with a word that are counted, to find out which word is the rarest; a millisecond's worth."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages: those for which all holds that is said; times are seconds of the wall clock."""

    text: str = ""
    """A queue id, Message-ID, mail address, ``@domain``, client's address or session."""
    address: str = ""
    """A sender or recipient, or ``@domain``."""
    verdict: str = ""
    child: str = ""
    """A child that did more than let it pass, or was lost."""
    child_verdict: str = ""
    """What that child said."""
    since: float = 0.0
    until: float = 0.0

    def words(self) -> Iterator[int]:
        """Yield the words that a message must have, without that of ``text``."""
        if self.address:
            yield _address(self.address)
        if self.child:
            kind, said = ("child-verdict", f" {self.child_verdict}") if self.child_verdict else ("child", "")
            yield number(kind, self.child + said)
        if self.verdict and self.verdict != PASSED:
            yield number("verdict", self.verdict)


def _address(text: str) -> int:
    return number("domain", text[1:].lower()) if text.startswith("@") else number("address", bare(text))


def _readings(text: str) -> Iterator[int]:
    """Yield what a text may be that somebody looks for."""
    if text.startswith("@"):
        yield _address(text)
        return
    for kind in ("queue-id", "session", "client"):
        yield number(kind, text)
    yield number("message-id", bare(text))
    yield _address(text)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the history: its row, which grows with time, the machine that saw it, its record."""

    row: int
    host: str
    record: MessageRecord


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a message of the history without its record."""

    row: int
    verdict: str
    lost: bool
    """A milter was lost on its way."""


class History:
    """An open history, for reading; every method raises OSError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, selection: Selection, limit: int, before: int = 0) -> list[Entry]:
        """Return the newest messages, the newest first; ``before`` a row for those that come after these."""
        return self._find(selection, limit, 0, before, "DESC")

    def after(self, row: int, selection: Selection, limit: int) -> list[Entry]:
        """Return messages that were written after that row, the oldest first."""
        return self._find(selection, limit, row, 0, "ASC")

    def marks(self, row: int, limit: int) -> list[Mark]:
        """Return what is known of messages after that row, the oldest first; it is much less to read."""
        statement = "SELECT id, verdict, words FROM {p}messages WHERE id > ? ORDER BY id LIMIT ?"
        lost = pack_words([number(*LOST)])  # where in the cell does not matter: words are hashes
        return [
            Mark(int(row), str(verdict), lost in bytes(words))
            for row, verdict, words in self._database.rows(statement, (row, limit))
        ]

    def those(self, rows: Sequence[int]) -> list[Entry]:
        """Return the messages of these rows that are still there, the oldest first."""
        places = ", ".join("?" * len(rows))
        statement = f"SELECT id, time, host, record FROM {{p}}messages WHERE id IN ({places}) ORDER BY id"  # noqa: S608
        return [_entry(row) for row in self._database.rows(statement, tuple(rows))]

    def last_row(self) -> int:
        """Return the row of the newest message; 0 when there is none."""
        ((last,),) = self._database.rows("SELECT coalesce(max(id), 0) FROM {p}messages")
        return int(last)

    def one(self, row: int) -> Entry | None:
        """Return the message of a row."""
        found = self._database.rows("SELECT id, time, host, record FROM {p}messages WHERE id = ?", (row,))
        return _entry(found[0]) if found else None

    def _find(self, selection: Selection, limit: int, after: int, before: int, order: str) -> list[Entry]:
        words = list(selection.words())
        if selection.text:
            word = self._word_of(selection.text)
            if word is None:
                return []
            words.insert(0, word)
        after = max(after, int(selection.since * MICROSECONDS) - 1)
        if selection.until:
            until = int(selection.until * MICROSECONDS)
            before = min(before or until, until)
        statement, values = _statement(self._rarest_first(words), selection.verdict, after, before)
        rows = self._database.rows(f"{statement} {order} LIMIT ?", (*values, limit))
        return [_entry(row) for row in rows]

    def _rarest_first(self, words: list[int]) -> list[int]:
        """Return words by how many messages have them, among those that very many have in any order."""
        if len(words) < 2:
            return words
        counts = {
            word: self._database.rows(
                "SELECT count(*) FROM (SELECT 1 FROM {p}words WHERE word = ? LIMIT ?) AS found", (word, _MANY)
            )[0][0]
            for word in words
        }
        return sorted(words, key=counts.__getitem__)

    def _word_of(self, text: str) -> int | None:
        """Return the word that is meant by a text, None when no message has any that could be."""
        for word in _readings(text.strip()):
            if self._database.rows("SELECT 1 FROM {p}words WHERE word = ? LIMIT 1", (word,)):
                return word
        return None

    def tally(self, since: float, until: float = 0.0) -> Tally:
        """Return what was counted from the minute of ``since`` on, up to that of ``until``."""
        whole = Tally()
        for _, _, cell in self._counts(since, until):
            whole.merge(unpack(cell))
        return whole

    def tallies(self, since: float, until: float, step: int) -> dict[int, Tally]:
        """Return what was counted in each span of ``step`` seconds with mail, by its beginning."""
        spans: dict[int, Tally] = {}
        for start, _, cell in self._counts(since, until):
            spans.setdefault(start // step * step, Tally()).merge(unpack(cell))
        return spans

    def counted(self, since: float, until: float = 0.0) -> dict[tuple[int, int], Tally]:
        """Return what was counted as finely as it is kept: by beginning and length of a span, in seconds."""
        spans: dict[tuple[int, int], Tally] = {}
        for start, span, cell in self._counts(since, until):
            spans.setdefault((start, span), Tally()).merge(unpack(cell))
        return spans

    def _counts(self, since: float, until: float) -> Iterator[tuple[int, int, bytes]]:
        before = " AND start < ?" if until else ""
        values = (int(since) // 60 * 60, *((int(until),) if until else ()))
        for start, span, cell in self._database.rows(
            f"SELECT start, span, tally FROM {{p}}counts WHERE start >= ?{before} ORDER BY start",  # noqa: S608
            values,
        ):
            yield int(start), int(span), bytes(cell)

    def close(self) -> None:
        """Close it."""
        self._database.close()


def _statement(words: Sequence[int], verdict: str, after: int, before: int) -> tuple[str, list[int | str]]:
    """Return SQL up to the order, and its values.

    The first word leads, in the order of its rows, so that nothing has to be sorted. CROSS JOIN keeps SQLite
    from finding another way.
    """
    values: list[int | str] = list(words)
    clauses: list[str] = []
    key, tables = "m.id", "{p}messages m"
    if words:
        key, tables = "w.message", "{p}words w CROSS JOIN {p}messages m"
        clauses = ["w.word = ?", "m.id = w.message"]
    one_more = "EXISTS (SELECT 1 FROM {p}words o WHERE o.word = ? AND o.message = w.message)"
    clauses += [one_more] * (len(words) - 1)
    if verdict == PASSED:
        clauses.append("m.verdict = ?")
        values.append(PASSED)
    for sign, row in ((">", after), ("<", before)):
        if row > 0:
            clauses.append(f"{key} {sign} ?")
            values.append(row)
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    return f"SELECT m.id, m.time, m.host, m.record FROM {tables}{where} ORDER BY {key}", values  # noqa: S608


def _entry(row: Row) -> Entry:
    record = MessageRecord.from_dict(unpack(bytes(row[3])))
    record.time = float(row[1])
    return Entry(int(row[0]), str(row[2]), record)
