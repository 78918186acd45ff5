"""What is said about an import: one remark for each thing that was left out or changed, with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from postmill.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    line: int


NOWHERE = Place("", 0)


@dataclass(frozen=True, slots=True)
class Given:
    """A value of the predecessor and where it was given; ``comment`` is the line above it."""

    value: Any
    place: Place
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """``warning``: something is lost until a person acts. ``note``: nothing is, but it looks different."""

    severity: Literal["note", "warning"]
    place: Place
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """``file:line: message (hint)``, in one line that is safe to print."""
        where = self.place
        text = str(ConfigError(self.message, file=where.file, line=where.line, hint=self.hint))
        return "".join(char if char.isprintable() else "?" for char in text)


@dataclass(slots=True)
class Remarks:
    """Collects remarks."""

    found: list[Remark] = field(default_factory=list)

    def lost(self, place: Place, what: str, hint: str = "") -> None:
        """Say that something was not carried over."""
        self.found.append(Remark("warning", place, f"not carried over: {what}", hint))

    def note(self, place: Place, message: str, hint: str = "") -> None:
        """Say what looks different now."""
        self.found.append(Remark("note", place, message, hint))
