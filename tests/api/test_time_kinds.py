"""Days, hours and time zones."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from postmill.api.time_kinds import WEEKDAYS, Days, Hours, Span, TimeZone, Weekdays


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", "mon"),
        ("Mon-Fri", "mon tue wed thu fri"),
        ("sat - mon", "mon sat sun"),
        ("sun", "sun"),
        ("tue-mon", "mon tue wed thu fri sat sun"),
    ],
)
def test_days(text: str, days: str) -> None:
    value = Weekdays().parse(text)
    assert " ".join(name for number, name in enumerate(WEEKDAYS) if number in value) == days


def test_days_are_shown_as_they_are_written() -> None:
    assert [Weekdays().show(Days(0, 4)), Weekdays().show(Days(6, 6))] == ['"mon-fri"', '"sun"']


@pytest.mark.parametrize("text", ["", "monday", "mon-", "-mon", "mon-fri-sat", "mon,tue", 1, None])
def test_no_days(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Weekdays().parse(text)


@pytest.mark.parametrize(
    ("text", "span", "shown", "crosses"),
    [
        ("08:00-17:30", Span(480, 1050), "08:00-17:30", False),
        ("8:00 - 17:30", Span(480, 1050), "08:00-17:30", False),
        ("22:00-06:00", Span(1320, 360), "22:00-06:00", True),
        ("00:00-24:00", Span(0, 1440), "00:00-24:00", False),
        ("22:00-00:00", Span(1320, 0), "22:00-00:00", True),
    ],
)
def test_hours(text: str, span: Span, shown: str, crosses: bool) -> None:
    assert Hours().parse(text) == span
    assert (str(span), span.crosses_midnight) == (shown, crosses)


@pytest.mark.parametrize(
    "text",
    ["", "8-17", "08:00", "08:60-09:00", "24:00-01:00", "08:00-24:01", "08:00-08:00", "٠8:00-09:00", 8, None],
)
def test_no_hours(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Hours().parse(text)


def test_time_zones() -> None:
    assert TimeZone().parse("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert TimeZone().parse("") is None
    assert (TimeZone().show(ZoneInfo("UTC")), TimeZone().show(None)) == ('"UTC"', '""')


@pytest.mark.parametrize("name", ["Europe/Atlantis", "Europe", "/etc/passwd", "../../etc/passwd", "a\0b"])
def test_a_time_zone_that_is_not_known_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="this machine knows no time zone"):
        TimeZone().parse(name)
