"""No line is counted twice, however often and in which pieces a log is read."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from postmill.graphs.marks import Marks, Stretch


def read(before: list[Stretch], *times: float) -> tuple[int, list[Stretch]]:
    """Read one file; how many lines were new, and what is counted then."""
    marks = Marks(before)
    new = sum(marks.is_new(time) for time in times)
    return new, marks.after()


ORDERED = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=60).map(sorted)


@given(ORDERED, st.data())
def test_a_log_that_grows_is_counted_once(times: list[float], data: st.DataObject) -> None:
    counted, known = 0, list[Stretch]()
    for end in [*sorted(data.draw(st.lists(st.integers(1, len(times)), max_size=4))), len(times)]:
        new, known = read(known, *times[:end])
        counted += new
    assert counted == len(times)
    assert read(known, *times)[0] == 0


@given(ORDERED, st.data())
def test_a_log_in_pieces_is_counted_once_and_then_never_again(
    times: list[float], data: st.DataObject
) -> None:
    """Pieces as rotation leaves them, the oldest first; a second cut in two may end a file and begin one.

    A file that has nothing but lines of one second looks like the beginning of one that begins in it, too.
    """
    cuts = sorted(data.draw(st.sets(st.integers(1, len(times)), max_size=3)) | {0, len(times)})
    pieces = [times[begin:end] for begin, end in pairwise(cuts)]
    some = [piece for piece, after in pairwise([*pieces, [99.0]]) if piece[0] < max(piece[-1], after[0])]
    counted, known = 0, list[Stretch]()
    for piece in some:
        new, known = read(known, *piece)
        counted += new
    assert counted == sum(map(len, some))
    for piece in reversed(some):
        new, known = read(known, *piece)
        assert new == 0


@given(st.lists(ORDERED, min_size=1, max_size=6))
def test_nothing_is_ever_counted_more_often_than_it_stands_in_one_file(files: list[list[float]]) -> None:
    """Files that have nothing to do with each other are too little rather than too much."""
    seen: dict[float, int] = {}
    known: list[Stretch] = []
    for times in [*files, *files]:
        marks = Marks(known)
        for time in times:
            seen[time] = seen.get(time, 0) + marks.is_new(time)
        known = marks.after()
    for time, count in seen.items():
        assert count <= sum(times.count(time) for times in files)


def test_older_files_may_come_later() -> None:
    new, known = read([], 20, 21, 22)
    assert (new, known) == (3, [Stretch(20, 22, 1)])
    new, known = read(known, 10, 11, 11)
    assert (new, known) == (3, [Stretch(10, 11, 2), Stretch(20, 22, 1)])
    assert read(known, 9, 15, 21, 25)[0] == 3


def test_lines_that_are_a_little_out_of_order_are_counted_in_one_reading() -> None:
    assert read([], 5, 7, 6, 7, 8) == (5, [Stretch(5, 8, 1)])


def test_a_file_that_has_nothing_but_the_second_in_which_another_ended() -> None:
    new, known = read([], 8, 9, 9)
    assert (new, known) == (3, [Stretch(8, 9, 2)])
    new, known = read(known, 9)
    assert (new, known) == (1, [Stretch(8, 9, 2, 1)])
    assert [read(known, *times)[0] for times in ([9], [8, 9, 9], [9, 9], [9, 10], [9, 10, 9])] == [
        0,
        0,
        1,
        1,
        2,
    ]
