"""Of each second so many messages are sent, and those with trouble before the others."""

from __future__ import annotations

import pytest

from postmill.history import Mark
from postmill.history.tables import MICROSECONDS
from postmill.tracing.choosing import chosen

ACCEPTED, REFUSED, DEFERRED, LOST = (
    ("accept", False),
    ("reject", False),
    ("tempfail", False),
    ("accept", True),
)
SECONDS = (
    (ACCEPTED, ACCEPTED, REFUSED, ACCEPTED, LOST),
    (ACCEPTED,),
    (DEFERRED, ("discard", False), REFUSED),
)
MARKS = [
    Mark((1_700_000_000 + second) * MICROSECONDS + at, *what)
    for second, those in enumerate(SECONDS)
    for at, what in enumerate(those)
]


@pytest.mark.parametrize(
    ("most", "places"),
    [
        (0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (5, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (3, [0, 2, 4, 5, 6, 7, 8]),
        (2, [2, 4, 5, 6, 8]),
        (1, [2, 5, 6]),
    ],
)
def test_so_many_of_each_second(most: int, places: list[int]) -> None:
    assert chosen(MARKS, most) == [MARKS[place].row for place in places]
    assert chosen([], most) == []
