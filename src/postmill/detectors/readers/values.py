"""A text together with where it stands, which is what every reader gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postmill.api.host import Source

UNKNOWN = "\ue000"
"""Stands for text that only running a program would tell."""
_MOST = 1 << 16
"""Characters that a text may have: files must not make us build longer ones out of each other."""

_MOST_PIECES = 500


@dataclass(frozen=True, slots=True)
class Value:
    """A text and its source."""

    text: str
    source: Source

    @property
    def is_known(self) -> bool:
        """Whether all of it stands in files."""
        return UNKNOWN not in self.text


Pieces = tuple[Value, ...]
"""A text put together from several places."""


def plain(pieces: Iterable[Value]) -> str:
    """Return the text of the pieces."""
    return "".join(piece.text for piece in pieces)


def shortened(pieces: Sequence[Value]) -> Pieces:
    """Cut a text that grows beyond all measure, and join one of all too many pieces."""
    if len(pieces) > _MOST_PIECES:
        pieces = (joined(pieces, Source()),)
    room, kept = _MOST, []
    for piece in pieces:
        kept.append(Value(piece.text[:room], piece.source))
        room -= len(piece.text)
        if room <= 0:
            break
    return tuple(kept)


def joined(pieces: Sequence[Value], otherwise: Source) -> Value:
    """Make one value of a text. Its source is that of its end: the line that put a path's parts together."""
    last = next((piece for piece in reversed(pieces) if piece.text), Value("", otherwise))
    return Value(plain(pieces), last.source)


def split(pieces: Sequence[Value]) -> list[Pieces]:
    """Split a text at its white space; each word keeps its sources."""
    words: list[list[Value]] = []
    glue = False
    for piece in pieces:
        for index, part in enumerate(_runs(piece.text)):
            if part.isspace():
                glue = False
            elif glue and index == 0:
                words[-1].append(Value(part, piece.source))
            else:
                words.append([Value(part, piece.source)])
                glue = True
    return [tuple(word) for word in words]


def _runs(text: str) -> list[str]:
    """Cut into runs of white space and of anything else."""
    runs: list[str] = []
    for char in text:
        if runs and runs[-1][-1].isspace() == char.isspace():
            runs[-1] += char
        else:
            runs.append(char)
    return runs
