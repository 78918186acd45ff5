"""Matching a regular expression in time proportional to the text, whatever stands in it.

Python's own search tries one way after another: with ``(a*)*b``, or ``.*a.*b`` and a long line, somebody who
writes the right mail keeps it busy for hours. Here all ways are followed at once, as sets of places in the
expression; a set that has been seen knows its successors (a deterministic automaton, made as it is needed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

_MOST_PLACES = 20_000
_MOST_STEPS = 50_000
"""Remembered steps from one set to the next; then it begins to remember anew."""
_AT_ONCE = 4096
_COUNT = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")

Kind = Literal["character", "either", "begin", "end", "match"]


@dataclass(frozen=True, slots=True)
class _Node:
    """A piece of the expression as a tree; ``most`` None: as often as one likes."""

    kind: Literal["piece", "all", "any", "repeat"]
    piece: str = ""
    parts: tuple[_Node, ...] = ()
    least: int = 1
    most: int | None = 1


class _Reader:
    """Makes a tree of the pieces of an expression: operators, and what matches one character."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = pieces
        self._at = 0

    def read(self) -> _Node:
        """Read up to the end, or the end of a group."""
        ways = [self._branch()]
        while self._take("|"):
            ways.append(self._branch())
        return ways[0] if len(ways) == 1 else _Node("any", parts=tuple(ways))

    def _take(self, piece: str) -> bool:
        found = self._at < len(self._pieces) and self._pieces[self._at] == piece
        self._at += found
        return found

    def _branch(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._pieces) and self._pieces[self._at] not in ("|", ")"):
            node = self._atom()
            while (times := self._times()) is not None:
                node = _Node("repeat", parts=(node,), least=times[0], most=times[1])
            parts.append(node)
        return _Node("all", parts=tuple(parts))

    def _atom(self) -> _Node:
        piece = self._pieces[self._at]
        self._at += 1
        if piece != "(":
            return _Node("piece", piece)
        inside = self.read()
        self._take(")")
        return inside

    def _times(self) -> tuple[int, int | None] | None:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return times
        if self._pieces[self._at : self._at + 1] != ["{"] or "}" not in self._pieces[self._at :]:
            return None
        end = self._pieces.index("}", self._at) + 1
        found = _COUNT.fullmatch("".join(self._pieces[self._at : end]))
        if found is None:
            return None
        self._at = end
        least = int(found[1] or 0)
        return least, (int(found[3]) if found[3] else None) if found[2] else least


@dataclass(slots=True)
class _Place:
    """Where one may stand in the expression, and where one gets from there."""

    kind: Kind
    character: re.Pattern[str] | None = None
    next: list[int] = field(default_factory=list)


class _Set(dict[str, "_Set"]):
    """All places where one may stand after some text; maps the next character to the set after it."""

    __slots__ = ("_machine", "ends", "matched", "places")

    def __init__(self, machine: Automaton, places: frozenset[int], matched: bool, ends: bool) -> None:
        super().__init__()
        self._machine = machine
        self.places = places
        self.matched = matched
        self.ends = ends
        """Whether it matches if the text ends here."""

    def __missing__(self, character: str) -> _Set:
        return self._machine.step(self, character)


class Automaton:
    """An expression, given as pieces in Python's spelling: operators, and what matches one character."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """Raises ValueError when it is too large."""
        self._places: list[_Place] = [_Place("match")]
        self._start = self._build(_Reader(pieces).read(), 0)
        self._sets: dict[frozenset[int], _Set] = {}
        self._steps = 0
        self._first = self._set([self._start], begins=True)

    def matches(self, text: str) -> bool:
        """Tell whether the expression matches somewhere in the text."""
        now = self._first
        for at in range(0, len(text), _AT_ONCE):
            for character in text[at : at + _AT_ONCE]:
                now = now[character]
            if now.matched or not now.places:
                break
        return now.matched or now.ends

    def step(self, before: _Set, character: str) -> _Set:
        """Return the set after one more character, and remember it."""
        if before.matched:
            after = before
        else:
            places = (self._places[one] for one in before.places)
            reached = [one.next[0] for one in places if one.character and one.character.fullmatch(character)]
            after = self._set([*reached, self._start], begins=False)
        self._steps += 1
        if self._steps > _MOST_STEPS:
            self._steps, self._sets = 0, {}
            self._first = self._set([self._start], begins=True)
            return after
        before[character] = after
        return after

    def _set(self, reached: Iterable[int], begins: bool) -> _Set:
        places = self._closure(reached, begins, ends=False)
        if not begins and places in self._sets:
            return self._sets[places]
        matched = 0 in places
        made = _Set(self, places, matched, matched or 0 in self._closure(reached, begins, ends=True))
        if not begins:
            self._sets[places] = made
        return made

    def _closure(self, reached: Iterable[int], begins: bool, ends: bool) -> frozenset[int]:
        """Return all places that one gets to without a character; those that only lead on are left out."""
        seen: set[int] = set()
        todo = list(reached)
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                kind = self._places[at].kind
                if kind == "either" or (kind == "begin" and begins) or (kind == "end" and ends):
                    todo += self._places[at].next
        return frozenset(one for one in seen if self._places[one].kind in ("character", "end", "match"))

    def _new(self, kind: Kind, following: list[int], character: re.Pattern[str] | None = None) -> int:
        if len(self._places) >= _MOST_PLACES:
            raise ValueError("too large")
        self._places.append(_Place(kind, character, following))
        return len(self._places) - 1

    def _build(self, node: _Node, then: int) -> int:
        """Return where one stands before a piece, if one stands at ``then`` behind it."""
        if node.kind == "piece":
            return self._piece(node.piece, then)
        if node.kind == "any":
            return self._new("either", [self._build(part, then) for part in node.parts])
        if node.kind == "repeat":
            return self._repeat(node, then)
        for part in reversed(node.parts):
            then = self._build(part, then)
        return then

    def _piece(self, piece: str, then: int) -> int:
        if piece in ("^", "$"):
            return self._new("begin" if piece == "^" else "end", [then])
        return self._new("character", [then], re.compile(piece, re.IGNORECASE | re.DOTALL))

    def _repeat(self, node: _Node, then: int) -> int:
        (part,) = node.parts
        if node.most is None:
            start = self._new("either", [then])
            self._places[start].next.append(self._build(part, start))
        else:
            start = then
            for _ in range(node.most - node.least):
                start = self._new("either", [self._build(part, start), then])
        for _ in range(node.least):
            start = self._build(part, start)
        return start
