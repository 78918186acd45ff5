"""Which messages are sent: so many of each second, lest a busy host spends more on traces than on mail."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from postmill.history import Mark
from postmill.history.tables import MICROSECONDS

REFUSING = ("reject", "tempfail", "shutdown")
"""Verdicts that are trouble."""


def chosen(marks: Iterable[Mark], most: int) -> list[int]:
    """Return the rows that are sent, in their order; ``most`` of each second, 0 for all.

    Where there are more, those with trouble come first: who was refused is asked after.
    """
    rows: list[int] = []
    for _, group in groupby(marks, lambda mark: mark.row // MICROSECONDS):
        second = [*group]
        if most and len(second) > most:
            second = sorted(second, key=_untroubled)[:most]
        rows += sorted(mark.row for mark in second)
    return rows


def _untroubled(mark: Mark) -> bool:
    return not (mark.lost or mark.verdict in REFUSING)
