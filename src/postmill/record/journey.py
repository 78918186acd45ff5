"""A message's way as a picture has it: stages across, children down, what each said, and who decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postmill.record.value import Answer, ChildRecord, MessageRecord

COLUMNS = {
    "negotiate": "connect",
    "connect": "connect",
    "helo": "helo",
    "mail": "mail",
    "rcpt": "rcpt",
    "data": "data",
    "header": "message",
    "end-of-header": "message",
    "body": "message",
    "end-of-message": "message",
    "unknown": "unknown",
}
"""Stage to the column that it is in; the content is shown to a child in one go."""
_PASSING = ("continue", "skip")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one child said in one column."""

    answers: Sequence[Answer]

    @property
    def ms(self) -> float:
        """Milliseconds it took."""
        return sum(answer.ms for answer in self.answers)

    @property
    def verdict(self) -> str:
        """The last word that is not a mere go-on, else ``continue``."""
        said = (answer.verdict for answer in reversed(self.answers))
        return next((verdict for verdict in said if verdict not in _PASSING), "continue")


@dataclass(frozen=True, slots=True)
class Row:
    """One child; ``cells`` has a value for each column in which it was asked."""

    child: ChildRecord
    cells: dict[str, Cell]
    decided: bool
    """The verdict on the message was this child's."""

    @property
    def last(self) -> Answer | None:
        """The answer that its verdict comes from, if it was asked."""
        verdict = self.child.verdict
        return next((answer for answer in reversed(self.child.answers) if answer.verdict == verdict), None)


@dataclass(frozen=True, slots=True)
class Journey:
    """The picture: the columns in which anybody was asked, and a row for each child in its place."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def journey_of(record: MessageRecord) -> Journey:
    """Return the picture of a record."""
    rows = tuple(_row(record, child) for child in record.children.values())
    used = {column for row in rows for column in row.cells}
    return Journey(tuple(column for column in dict.fromkeys(COLUMNS.values()) if column in used), rows)


def _row(record: MessageRecord, child: ChildRecord) -> Row:
    columns: dict[str, list[Answer]] = {}
    for answer in child.answers:
        columns.setdefault(COLUMNS.get(answer.stage, "connect"), []).append(answer)
    cells = {column: Cell(tuple(answers)) for column, answers in columns.items()}
    return Row(child, cells, record.by == child.name)
