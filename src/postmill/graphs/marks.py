"""Which lines of a log were counted: for each host the stretches of time from a first line to a last one.

A line within a stretch was counted. Of those in its last second, as many as were counted then; so a log that
has grown can be read again. A file that begins in that second, as one does after rotation, goes on: its lines
are told from those of a file that ends in it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple


class Stretch(NamedTuple):
    """Times of the first and the last line, and how many lines had the last time."""

    first: float
    last: float
    lines: int
    """In a file that began before."""
    begun: int = 0
    """In a file that began with them."""


class Marks:
    """What was counted of one host's lines before, and the stretch of the file that is read now."""

    def __init__(self, before: list[Stretch]) -> None:
        self._before = sorted(before)
        self._starts = [stretch.first for stretch in self._before]
        self._first = self._last = -1.0
        self._lines = 0

    def is_new(self, time: float) -> bool:
        """Take the next line of the file; return whether it was not counted before."""
        if self._lines == 0:
            self._first = time
        self._first = min(self._first, time)
        if time > self._last:
            self._last, self._lines = time, 1
        elif time == self._last:
            self._lines += 1
        place = bisect_right(self._starts, time)
        return not any(self._has(stretch, time) for stretch in self._before[max(0, place - 2) : place])

    def _has(self, stretch: Stretch, time: float) -> bool:
        if time != stretch.last:
            return stretch.first <= time < stretch.last
        goes_on = self._first == stretch.last
        if time < self._last:  # a little out of order
            return not goes_on
        return self._lines <= (stretch.begun if goes_on else stretch.lines)

    def after(self) -> list[Stretch]:
        """Return what is counted now, stretches that touch made one."""
        lines, begun = (self._lines, 0) if self._first < self._last else (0, self._lines)
        whole: list[Stretch] = []
        for one in sorted([*self._before, Stretch(self._first, self._last, lines, begun)]):
            if whole and one.first <= whole[-1].last:
                whole[-1] = _joined(whole[-1], one)
            else:
                whole.append(one)
        return whole


def _joined(one: Stretch, other: Stretch) -> Stretch:
    last = max(one.last, other.last)
    latest = [each for each in (one, other) if each.last == last]
    return Stretch(one.first, last, max(each.lines for each in latest), max(each.begun for each in latest))
