"""``time-window``: days, hours, midnight, time zones and the hours that a year has twice or never."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from postmill.api import Apply, Clock, Skip
from postmill.conditions.time_window import time_window
from postmill.testing.conditions import FixedClock, decide
from postmill.testing.nouns import client

SETTINGS: list[dict[str, Any]] = [
    {},
    {"days": ["mon-fri"], "hours": ["08:00-12:00", "13:00-17:30"], "time_zone": "Europe/Berlin"},
    {"days": ["fri"], "hours": ["22:00-06:00"]},
]
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: Any = BERLIN, **settings: Any) -> Any:
    """Ask at a moment; 2026-03-02 is a Monday."""
    moment = datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone)
    return decide(
        time_window, client(), {Clock: FixedClock(moment)}, **{"time_zone": "Europe/Berlin", **settings}
    )


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("03-02T07:59:59", False),
        ("03-02T08:00", True),
        ("03-02T11:59:59", True),
        ("03-02T12:00", False),
        ("03-02T13:00", True),
        ("03-06T17:29", True),
        ("03-06T17:30", False),
        ("03-07T09:00", False),
        ("03-08T09:00", False),
        ("03-09T09:00", True),
    ],
)
def test_office_hours(moment: str, holds: bool) -> None:
    assert isinstance(at(moment, **SETTINGS[1]), Apply if holds else Skip)


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("03-06T05:00", False),  # Friday morning: that night began on Thursday
        ("03-06T21:59", False),
        ("03-06T22:00", True),
        ("03-07T00:00", True),
        ("03-07T05:59", True),
        ("03-07T06:00", False),
        ("03-07T22:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, holds: bool) -> None:
    assert isinstance(at(moment, **SETTINGS[2]), Apply if holds else Skip)


def test_a_night_over_the_end_of_the_week() -> None:
    sunday_night = {"days": ["sun"], "hours": ["22:00-06:00"]}
    assert isinstance(at("03-01T23:00", **sunday_night), Apply)
    assert isinstance(at("03-02T03:00", **sunday_night), Apply)
    assert isinstance(at("03-03T03:00", **sunday_night), Skip)


def test_days_or_hours_alone_and_nothing() -> None:
    assert isinstance(at("03-07T03:00", days=["sat"]), Apply)
    assert isinstance(at("03-08T00:00", days=["sat"]), Skip)
    assert isinstance(at("03-08T03:00", hours=["03:00-04:00"]), Apply)
    assert isinstance(at("03-08T04:00", hours=["03:00-04:00"]), Skip)
    assert isinstance(at("03-08T04:00"), Apply)


def test_the_time_is_that_of_the_zone() -> None:
    tokyo = {"hours": ["09:00-10:00"], "time_zone": "Asia/Tokyo"}
    assert at("03-02T01:30", **tokyo) == Apply("it is mon 09:30 in Asia/Tokyo")
    assert isinstance(at("03-02T09:30", **tokyo), Skip)


def test_without_a_zone_the_time_is_the_machines_own() -> None:
    zone = timezone(timedelta(hours=5))
    moment = datetime(2026, 3, 2, 9, 30, tzinfo=zone)
    local = moment.astimezone()
    hours = [f"{local:%H:%M}-{local + timedelta(minutes=1):%H:%M}"]
    assert decide(time_window, client(), {Clock: FixedClock(moment)}, hours=hours) == Apply(
        f"it is {local:%a %H:%M}".lower()
    )


def test_the_hour_that_is_there_twice() -> None:
    for fold in (0, 1):
        moment = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN)
        said = decide(
            time_window,
            client(),
            {Clock: FixedClock(moment)},
            hours=["02:00-03:00"],
            time_zone="Europe/Berlin",
        )
        assert said == Apply("it is sun 02:30 in Europe/Berlin")


def test_the_reason_names_the_window() -> None:
    assert at("03-07T09:00", **SETTINGS[1]) == Skip(
        "it is sat 09:00 in Europe/Berlin, and not mon-fri 08:00-12:00, 13:00-17:30"
    )
