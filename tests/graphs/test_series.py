"""Names of series and of their files, and what is drawn of them."""

from __future__ import annotations

from pathlib import PurePosixPath

import hypothesis.strategies as st
import pytest
from hypothesis import given

from postmill.graphs.panels import sections
from postmill.graphs.series import file_of, is_time, numbers, series_of
from postmill.record import Answer, ChildRecord, Decision, MessageRecord, Tally

NAMES = st.text(min_size=1, max_size=30)


@given(st.lists(NAMES, min_size=1, max_size=4).map(tuple))
def test_a_file_of_each_series_is_safe_and_leads_back(series: tuple[str, ...]) -> None:
    file = file_of(series)
    assert set(file.removesuffix(".rrd")) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%/"
    )
    assert len(PurePosixPath(file).parts) == len(series)
    if all(len(name.encode("utf-8", "replace")) < 30 for name in series):
        assert series_of(PurePosixPath(file)) == tuple(
            name.encode("utf-8", "replace").decode() for name in series
        )


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "x" * 500, "é" * 200, 'a"b', "a:b c"])
def test_odd_names(name: str) -> None:
    parts = PurePosixPath(file_of(("tagged", name))).parts
    assert len(parts) == 2
    assert ".." not in parts
    assert 4 < len(parts[1]) < 200


def test_long_names_that_begin_alike_are_kept_apart() -> None:
    assert file_of(("tagged", "x" * 500)) != file_of(("tagged", "x" * 501))


def tally() -> Tally:
    spam = ChildRecord("spam", [Answer("mail", "continue", 1.0), Answer("end-of-message", "reject", 40.0)])
    lost = ChildRecord("av", [Answer("connect", "lost:timeout", 5.0)])
    out = ChildRecord("out", conditions={"trust": Decision("trust", False, "")})
    trial = ChildRecord("trial", [Answer("mail", "accept", 2.0)], evaluated=True)
    children = {child.name: child for child in (spam, lost, out, trial)}
    whole = Tally()
    whole.add(MessageRecord(sender="<a>", verdict="reject", by="spam", children=children), 1.0)
    whole.add(MessageRecord(verdict="reject"), 1.0)
    whole.sessions = 2
    return whole


def test_every_count_of_a_tally_is_a_series() -> None:
    found = dict(numbers(tally()))
    assert {series for series in found if not is_time(series)} == {
        ("sessions", "sessions"),
        ("open", "sessions"),
        ("open", "most"),
        ("messages", "reject"),
        ("connections", "reject"),
        ("child", "spam", "verdicts", "reject"),
        ("child", "spam", "decided", "reject"),
        ("child", "av", "verdicts", "lost"),
        ("child", "av", "errors", "timeout"),
        ("child", "out", "verdicts", "skipped"),
        ("child", "out", "skipped", "trust"),
        ("child", "trial", "verdicts", "accept"),
        ("child", "trial", "evaluated", "accept/reject"),
    }
    assert found["child", "spam", "times", "end-of-message", "p99"] == pytest.approx(40, rel=0.1)


def test_every_series_is_drawn() -> None:
    series = [one for one, _ in numbers(tally())]
    whole, *milters = sections(series)
    assert [section.title for section in milters] == ["av", "out", "spam", "trial"]
    drawn = {line.series for section in (whole, *milters) for panel in section.panels for line in panel.lines}
    only_at_the_end = {
        one for one in series if is_time(one) and one[3] != "end-of-message" and one[4] != "p95"
    }
    assert drawn == set(series) - only_at_the_end
