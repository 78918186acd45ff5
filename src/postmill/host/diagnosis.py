"""What a checkup finds: how grave it is, in words, and the command that mends it."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class Level(enum.IntEnum):
    """How grave a diagnosis is."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The word people read."""
        return self.name.lower()

    @property
    def status(self) -> int:
        """The exit status as monitoring plug-ins have it: 0 well, 1 warning, 2 critical."""
        return max(0, self - 1)


@dataclass(frozen=True, slots=True)
class Table:
    """What is best seen side by side."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    check: str
    """The checkup's name."""
    level: Level
    text: str
    advice: str = ""
    """What to do, as far as no command does it."""
    command: tuple[str, ...] = ()
    """The words of the command that mends it."""
    safe: bool = False
    """``--fix`` may run the command by itself: nothing is lost by it, and it can be taken back."""
    table: Table | None = None

    @property
    def shell(self) -> str:
        """The command as one types it."""
        return shlex.join(self.command)

    def as_values(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = {
            "check": self.check,
            "level": self.level.word,
            "text": self.text,
            "advice": self.advice,
            "command": self.shell,
            "safe": self.safe,
        }
        if self.table is not None:
            values["rows"] = [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows]
        return values


def worst(diagnoses: Iterable[Diagnosis]) -> Level:
    """Return the gravest level, OK for none."""
    return max((one.level for one in diagnoses), default=Level.OK)
