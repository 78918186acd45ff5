"""Tokens of the predecessor's language: each with its place and, if it is a literal, its value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

Kind = Literal["newline", "name", "keyword", "label", "variable", "literal", "mark"]


class Unknown(Enum):
    """The value of a literal that only running the program would tell."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression as written between its slashes, and its flags."""

    source: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``value`` is what a literal means, or ``UNKNOWN``."""

    kind: Kind
    text: str
    line: int
    column: int
    start: int
    end: int
    spaced: bool = False
    """Whether a blank stands before it."""
    value: Any = UNKNOWN

    def is_mark(self, *texts: str) -> bool:
        """Tell whether it is one of these marks."""
        return self.kind == "mark" and self.text in texts

    def is_keyword(self, *texts: str) -> bool:
        """Tell whether it is one of these keywords."""
        return self.kind == "keyword" and self.text in texts
