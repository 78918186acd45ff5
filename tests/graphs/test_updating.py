"""Databases that follow the history: exact, idempotent, after pauses, interruptions and from nothing again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.errors import UnavailableError
from postmill.graphs.databases import all_series
from postmill.graphs.rrdtool import Rrdtool, RrdtoolError
from postmill.graphs.store import Store
from postmill.graphs.updating import FOREIGN, OWN, update
from postmill.history import Limits, keep_within, open_database
from tests.graphs.databases import NOW, fetched, put, real_rrdtool, tally, total

pytestmark = real_rrdtool
MINUTE, HOUR, DAY = 60, 3600, 86400
HOURS = NOW // HOUR * HOUR
ACCEPTED, REJECTED = ("messages", "accept"), ("messages", "reject")
P95 = ("child", "spam", "times", "end-of-message", "p95")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "graphs")
    with store.locked():
        yield store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/history.db"


def counted(place: Store, series: tuple[str, ...] = ACCEPTED, since: int = NOW - 4 * HOUR) -> float:
    return total(place.databases, series, since // MINUTE * MINUTE, NOW // MINUTE * MINUTE)


def test_each_minute_stands_in_its_place_and_nothing_is_counted_twice(place: Store, url: str) -> None:
    put(url, (HOURS, 60, tally(3, 1)), (HOURS, 60, tally(2)), (HOURS + 120, 60, tally(1, ms=500.0)))
    for _ in range(3):
        update(place, url, NOW)
    found = fetched(place.databases, ACCEPTED, HOURS - 60, HOURS + 300)
    assert found == {HOURS - 60: 0, HOURS: 5, HOURS + 60: 0, HOURS + 120: 1, HOURS + 180: 0, HOURS + 240: 0}
    assert counted(place, REJECTED) == 1
    assert counted(place, ("sessions", "sessions")) == 7
    at_once = fetched(place.databases, ("open", "sessions"), HOURS, HOURS + 60)
    assert at_once == {HOURS: pytest.approx(6 * 30 / 60)}
    most = fetched(place.databases, ("open", "most"), HOURS, HOURS + 180)
    assert most == {HOURS: 5, HOURS + 60: 0, HOURS + 120: 2}, "of several rows of a minute, the highest"
    assert counted(place, ("child", "spam", "decided", "reject")) == 1
    times = fetched(place.databases, P95, HOURS - 60, HOURS + 300)
    assert list(times) == [HOURS, HOURS + 120], "no answer, no time"
    assert times[HOURS + 120] == pytest.approx(500, rel=0.1)


def test_what_comes_later_is_added(place: Store, url: str) -> None:
    put(url, (HOURS, 60, tally(3)))
    update(place, url, HOURS + 300)
    put(url, (HOURS + 600, 60, tally(4)), (HOURS + 660, 60, tally(0, 2, name="new")))
    update(place, url, NOW)
    assert fetched(place.databases, ACCEPTED, HOURS, HOURS + 720)[HOURS + 600] == 4
    assert counted(place) == 7
    assert counted(place, ("child", "new", "verdicts", "reject")) == 2
    assert fetched(place.databases, REJECTED, HOURS, HOURS + 60) == {HOURS: 0}, "before it was first seen"


def test_the_last_minutes_wait_until_nobody_adds_to_them(place: Store, url: str) -> None:
    put(url, (HOURS, 60, tally(3)))
    update(place, url, HOURS + 90)
    assert all_series(place.databases) == []
    put(url, (HOURS, 60, tally(2)))
    update(place, url, HOURS + 240)
    assert counted(place) == 5


def test_hours_of_long_ago_are_spread_and_add_up(place: Store, url: str) -> None:
    long_ago = HOURS - 5 * DAY
    put(url, (long_ago, 3600, tally(120)), (long_ago + 60, 60, tally(60)), (HOURS, 60, tally(1)))
    update(place, url, NOW)
    ten_minutes = fetched(place.databases, ACCEPTED, long_ago - 600, long_ago + HOUR + 600)
    assert sum(ten_minutes.values()) * 10 == pytest.approx(180)
    most = fetched(place.databases, ("open", "most"), long_ago, long_ago + HOUR, "MAX")
    assert max(most.values()) == 121, "as high in an hour as in its minutes"
    assert counted(place) == 1


def test_after_a_long_pause_hours_that_were_half_known_are_not_counted_twice(place: Store, url: str) -> None:
    first = HOURS - 5 * DAY
    put(url, (first, 60, tally(7)), (first + 1800, 60, tally(5)))
    update(place, url, first + 900 + 180)
    database = open_database(url, writes=True)
    keep_within(database, Limits(), NOW)
    assert database.rows("SELECT span FROM {p}counts") == [(3600,)]
    database.close()
    update(place, url, NOW)
    cells = fetched(place.databases, ACCEPTED, first - 600, first + HOUR + 600)
    assert sum(cells.values()) * 10 == pytest.approx(12)


def test_an_update_that_broke_off_is_done_again(
    place: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(url, (HOURS, 60, tally(3, 1)))
    update(place, url, HOURS + 300)
    put(url, (HOURS + 300, 60, tally(2, 2)))
    whole, calls = Rrdtool.do, 0

    def failing(self: Rrdtool, command: str, *words: str) -> list[str]:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise RrdtoolError("disk full")
        return whole(self, command, *words)

    monkeypatch.setattr(Rrdtool, "do", failing)
    with pytest.raises(UnavailableError, match="disk full"):
        update(place, url, NOW)
    monkeypatch.undo()
    update(place, url, NOW)
    assert (counted(place), counted(place, REJECTED)) == (5, 3)


def test_made_anew_they_are_the_same(place: Store, url: str) -> None:
    put(url, *((HOURS + 60 * n, 60, tally(n, 1)) for n in range(10)))
    for n in range(12):
        update(place, url, HOURS + 60 * n + 180)
    before = {series: counted(place, series) for series in all_series(place.databases)}
    assert update(place, url, NOW, anew=True)
    assert {series: counted(place, series) for series in all_series(place.databases)} == before


def test_what_was_imported_counts_where_the_history_has_nothing(place: Store, url: str) -> None:
    put(url, (HOURS, 60, tally(3)))
    put(f"sqlite:{place.imported(OWN)}", (HOURS, 60, tally(50)), (HOURS - 60, 60, tally(20)))
    put(f"sqlite:{place.imported(FOREIGN)}", (HOURS, 60, tally(100)))
    update(place, url, NOW)
    assert fetched(place.databases, ACCEPTED, HOURS - 60, HOURS + 60) == {HOURS - 60: 20, HOURS: 103}


def test_a_history_that_is_not_there_is_told(place: Store, url: str) -> None:
    with pytest.raises(UnavailableError, match="counts cannot be read"):
        update(place, url, NOW)


def test_a_state_that_cannot_be_read_is_none(place: Store, url: str) -> None:
    put(url, (HOURS, 60, tally(3)))
    update(place, url, NOW)
    (place.data / "state.json").write_text(json.dumps({"until": "yesterday"}))
    assert update(place, url, NOW), "made anew"
    assert counted(place) == 3
