"""What a checkup finds: how grave it is, in words, and the command that mends it."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass
from typing import Any


class Level(enum.IntEnum):
    """How grave a diagnosis is; the numbers are the exit statuses that monitoring plug-ins use."""

    OK = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """The word people read."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    check: str
    """The checkup's name."""
    level: Level
    text: str
    advice: str = ""
    """What to do, where no single command does it."""
    command: tuple[str, ...] = ()
    """The words of the command that mends it."""
    safe: bool = False
    """``--fix`` may run the command by itself: nothing is lost by it, and it can be taken back."""

    @property
    def shell(self) -> str:
        """The command as one types it."""
        return shlex.join(self.command)

    def as_values(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "check": self.check,
            "level": self.level.word,
            "text": self.text,
            "advice": self.advice,
            "command": self.shell,
            "safe": self.safe,
        }


def worst(diagnoses: list[Diagnosis]) -> Level:
    """Return the gravest level, OK for none."""
    return max((one.level for one in diagnoses), default=Level.OK)
