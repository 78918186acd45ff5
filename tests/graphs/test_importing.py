"""Logs become counts: in any order, again and again, of several hosts, and beside the history."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from postmill.graphs.importing import Imported, import_logs
from postmill.graphs.store import Store
from postmill.graphs.updating import OWN, update
from postmill.history import History, open_database
from tests.graphs.databases import NOW, put, real_rrdtool, tally, total

START = NOW - 7200


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "graphs")
    with store.locked():
        yield store


def line(second: int, verdict: str = "accept", host: str = "mx1") -> str:
    stamp = datetime.fromtimestamp(START + second, UTC).strftime("%b %e %H:%M:%S")
    return (
        f"{stamp} {host} postmill[7]: Q{second}: from=<a@b> to=<c@d> verdict={verdict} spam=continue/1.5ms\n"
    )


def write(path: Path, *lines: str) -> str:
    text = "".join(lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def take(place: Store, *files: str) -> Imported:
    return import_logs(place, files, NOW)


def messages(place: Store) -> dict[str, int]:
    database = open_database(f"sqlite:{place.imported(OWN)}", writes=False)
    try:
        return History(database).tally(0).messages
    finally:
        database.close()


def test_rotated_files_in_the_order_of_a_shell(place: Store, tmp_path: Path) -> None:
    files = (
        write(tmp_path / "mail.log", *map(line, range(200, 300))),
        write(tmp_path / "mail.log.1", *map(line, range(100, 200))),
        write(tmp_path / "mail.log.2.gz", "noise\n", *map(line, range(100)), "noise\n"),
    )
    assert take(place, *files).counted == 300
    again = take(place, *files)
    assert (again.counted, again.known) == (0, 300)
    assert messages(place) == {"accept": 300}


def test_a_log_that_has_grown_and_was_rotated(place: Store, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    assert take(place, write(log, *map(line, range(50)))).counted == 50
    assert take(place, write(log, *map(line, range(80)))).counted == 30
    older = write(tmp_path / "mail.log.1", *map(line, range(90)))
    assert take(place, write(log, *map(line, range(90, 100))), older).counted == 20
    assert messages(place) == {"accept": 100}


def test_the_same_second_cut_in_two(place: Store, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    assert take(place, write(log, line(1), line(2), line(2))).counted == 3
    assert take(place, write(log, line(1), line(2), line(2), line(2), line(3))).counted == 2


def test_hosts_are_kept_apart_and_names_with_and_without_domain_are_not(place: Store, tmp_path: Path) -> None:
    both = [text for second in range(5) for text in (line(second), line(second, "reject", "mx2"))]
    assert take(place, write(tmp_path / "both", *both)).counted == 10
    whole_name = [line(second, host="mx1.example.com") for second in range(5)]
    assert take(place, write(tmp_path / "other", *whole_name)).known == 5
    assert messages(place) == {"accept": 5, "reject": 5}


def test_a_long_log_is_stored_in_pieces(place: Store, tmp_path: Path) -> None:
    log = write(tmp_path / "log", *(line(60 * minute) for minute in range(-5000, 100)))
    assert take(place, log).counted == 5100
    assert take(place, log).known == 5100


def test_what_cannot_be_read_is_told_and_the_rest_is_counted(place: Store, tmp_path: Path) -> None:
    good = write(tmp_path / "good", line(1), line(9_999_999))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress("".join(map(line, range(100, 3000))).encode())[:-2000])
    imported = take(place, good, str(cut), str(tmp_path / "none"), write(tmp_path / "other", "nothing\n"))
    assert len(imported.problems) == 3
    assert 1 < messages(place)["accept"] == imported.counted < 2901


@pytest.mark.parametrize("first", ["import", "update"])
@pytest.mark.interop
@real_rrdtool[1]
def test_imports_stand_in_the_graphs_whatever_came_first(place: Store, tmp_path: Path, first: str) -> None:
    url = f"sqlite:{tmp_path}/history.db"
    begun = (START + 600) // 60 * 60
    put(url, (begun, 60, tally(3)))
    log = write(tmp_path / "log", *map(line, range(0, 1200, 10)))
    if first == "update":
        update(place, url, NOW)
    imported = take(place, log)
    made_anew = update(place, url, NOW)
    assert made_anew
    inside = sum(begun <= START + second < begun + 60 for second in range(0, 1200, 10))
    assert imported.counted == 120
    assert total(place.databases, ("messages", "accept"), START - 600, NOW) == 120 - inside + 3
