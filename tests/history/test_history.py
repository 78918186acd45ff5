"""What a history keeps and finds, on each database that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from postmill.history import Batch, Historian, History, Limits, Selection, keep_within, open_database
from postmill.history.databases import Database
from postmill.history.tables import pack, pack_record, unpack
from postmill.history.writing import write
from postmill.record import Answer, Change, ChildRecord, MessageRecord, Recipient, Tally
from tests.filters.beside import a_box
from tests.stack import peers
from tests.stores.servers import PostgresServer

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.interop))
KEY = b"k" * 32
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[], PostgresServer]]:
    """A PostgreSQL server, started when it is first asked for."""
    with ExitStack() as stack:
        started: list[PostgresServer] = []

        def get() -> PostgresServer:
            if not started:
                peers.require()
                one = PostgresServer(stack.enter_context(a_box("postgresql-")).directory.parent)
                stack.callback(one.stop)
                one.start()
                started.append(one)
            return started[0]

        yield get


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[], PostgresServer]) -> str:
    """An empty history."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/history.db"
    found = server().url
    database = open_database(found, writes=True)
    for table in ("messages", "words", "counts"):
        database.rows("DELETE FROM {p}" + table)
    database.close()
    return found


Open = Callable[..., Database]


@pytest.fixture
def opened(url: str) -> Iterator[Open]:
    """Opens the history, and closes what was opened."""
    with ExitStack() as stack:

        def opened(writes: bool = True) -> Database:
            return stack.enter_context(closing(open_database(url, writes=writes)))

        yield opened


def record(number: int = 1, verdict: str = "accept", **more: Any) -> MessageRecord:
    values: dict[str, Any] = {
        "session": f"s-{number}",
        "queue_id": f"Q{number}",
        "message_id": f"<M{number}@mail.example.com>",
        "client_address": "192.0.2.7",
        "sender": f"<Sender{number}@example.com>",
        "recipients": [Recipient("<you@example.org>", "continue")],
        "time": float(NOW + number),
        "verdict": verdict,
        "stage": "end-of-message",
    }
    return MessageRecord(**{**values, **more})


def store(database: Database, *records: MessageRecord, addresses: str = "keep", start: int = NOW) -> None:
    batch = Batch(start, list(records))
    for one in records:
        batch.tally.add(one, one.time)
    write(database, [batch], "mx1", addresses, KEY)


def found(history: History, **what: Any) -> list[str]:
    return [entry.record.queue_id for entry in history.latest(Selection(**what), 100)]


def test_a_record_comes_back_as_it_was(opened: Open) -> None:
    child = ChildRecord(
        "spam",
        [
            Answer("mail", "continue", 0.25),
            Answer("end-of-message", "reject", 3.5, "550 5.7.1 n\udce4in", "score 20"),
        ],
        {"add-header": 1},
        [Change("change-header", "Subject", "grün", "[SPAM] grün")],
        evaluated=True,
    )
    whole = record(7, "reject", by="spam", reply="550 5.7.1 no", children={"spam": child}, size=1234)
    writer = opened()
    store(writer, whole)
    history = History(opened(writes=False))
    (entry,) = history.latest(Selection(), 10)
    assert entry.record == whole
    assert entry.host == "mx1"
    assert history.one(entry.row) == entry
    assert history.one(1) is None
    assert history.last_row() == entry.row


@pytest.mark.parametrize(
    "what",
    [
        {"text": "Q2"},
        {"text": "s-2"},
        {"text": "<M2@mail.example.com>"},
        {"text": "m2@mail.example.com"},
        {"text": "<sender2@EXAMPLE.com>"},
        {"text": " sender2@example.com "},
        {"text": "special@example.net"},
        {"text": "@example.net"},
        {"text": "198.51.100.2"},
        {"address": "special@example.net"},
        {"address": "@example.net", "verdict": "reject"},
        {"verdict": "reject"},
        {"child": "spam"},
        {"child": "spam", "child_verdict": "reject"},
        {"child": "virus", "child_verdict": "lost", "verdict": "reject", "address": "sender2@example.com"},
    ],
    ids=str,
)
def test_a_message_is_found_by(opened: Open, what: dict[str, str]) -> None:
    writer = opened()
    children = {
        "spam": ChildRecord("spam", [Answer("rcpt", "reject", 1.0)]),
        "virus": ChildRecord("virus", [Answer("rcpt", "lost:timeout", 1.0)]),
        "quiet": ChildRecord("quiet", [Answer("rcpt", "continue", 1.0)]),
    }
    passing = {name: ChildRecord(name, [Answer("rcpt", "continue", 1.0)]) for name in children}
    to = [Recipient("<you@example.org>", "continue"), Recipient("<special@example.net>", "reject")]
    wanted = record(2, "reject", recipients=to, client_address="198.51.100.2", children=children)
    store(writer, record(1, children=passing), wanted, record(3, children=passing))
    history = History(writer)
    assert found(history, **what) == ["Q2"]
    assert found(history, **{**what, "child": "quiet", "child_verdict": ""}) == []


@pytest.mark.parametrize("rare", ["discard", "reject"])
def test_several_conditions_hold_together_whichever_is_the_rarest(opened: Open, rare: str) -> None:
    common = {"discard": "reject", "reject": "discard"}[rare]
    verdicts = [common] * 30 + [rare, rare, common]
    elsewhere = [Recipient("<me@example.net>", "continue")]
    store(
        opened(),
        *(
            record(n, verdict, recipients=elsewhere if n % 31 == 0 else [])
            for n, verdict in enumerate(verdicts)
        ),
    )
    history = History(opened(writes=False))
    assert found(history, text="@example.net", verdict=rare) == ["Q31"]
    assert found(history, text="@example.net", verdict=common) == ["Q0"]
    assert found(history, text="sender30@example.com", address="@example.com", verdict=rare) == ["Q30"]
    assert found(history, text="@example.net", address="nobody@example.net") == []


def test_what_passed_is_found_newest_first_page_by_page(opened: Open) -> None:
    writer = opened()
    store(writer, *(record(number, "reject" if number % 3 == 0 else "accept") for number in range(1, 10)))
    history = History(writer)
    assert found(history, verdict="accept") == ["Q8", "Q7", "Q5", "Q4", "Q2", "Q1"]
    assert found(history, verdict="accept", address="you@example.org") == found(history, verdict="accept")
    first = history.latest(Selection(verdict="accept"), 4)
    rest = history.latest(Selection(verdict="accept"), 4, before=first[-1].row)
    assert [entry.record.queue_id for entry in (*first, *rest)] == found(history, verdict="accept")


def test_who_watches_sees_every_message_once_in_order(opened: Open) -> None:
    writer = opened()
    history = History(opened())
    seen: list[str] = []
    row = history.last_row()
    for number in range(1, 40):
        store(writer, record(number, "reject" if number % 2 else "accept"))
        for entry in history.after(row, Selection(verdict="reject"), 5):
            seen.append(entry.record.queue_id)
            row = entry.row
    assert seen == [f"Q{number}" for number in range(1, 40, 2)]


def test_a_time_is_when_it_was_written(opened: Open) -> None:
    writer = opened()
    store(writer, record(1))
    (entry,) = History(writer).latest(Selection(), 1)
    between = entry.row / 1_000_000 + 0.001
    time.sleep(0.01)
    store(writer, record(2))
    history = History(writer)
    assert found(history, since=between) == ["Q2"]
    assert found(history, until=between) == ["Q1"]
    assert found(history, text="you@example.org", since=between) == ["Q2"]


@pytest.mark.parametrize("how", ["hash", "omit"])
def test_addresses_that_are_not_to_be_kept(opened: Open, how: str) -> None:
    child = ChildRecord(
        "spam",
        [Answer("rcpt", "reject", 1.0, "550 5.1.1 <Joe.Doe@example.org>: joe.doe@example.org is unknown")],
        changes=[
            Change("add-recipient", "<boss@example.org>"),
            Change("add-header", "X-To", "", "joe.doe@example.org"),
        ],
    )
    to = [Recipient("<Joe.Doe@example.org>", "reject")]
    whole = record(1, "reject", recipients=to, reply="550 joe.doe@example.org", children={"spam": child})
    whole.message_id = "<1@mail.example.com>"
    writer = opened()
    store(writer, whole, record(2, sender="<>", recipients=[]), addresses=how)
    history = History(writer)
    cells = [unpack(bytes(cell)) for (cell,) in writer.rows("SELECT record FROM {p}messages ORDER BY id")]
    text = str(cells).lower()
    for hidden in ("joe.doe", "sender1@", "boss@"):
        assert hidden not in text
    assert cells[0]["message_id"] == "<1@mail.example.com>"
    assert cells[0]["verdict"] == "reject"
    assert cells[1]["sender"] == "<>"
    assert found(history, text="joe.doe@example.org") == (["Q1"] if how == "hash" else [])
    assert found(history, text="@example.org") == (["Q1"] if how == "hash" else [])
    assert found(history, text="Q1") == ["Q1"]
    if how == "hash":
        told = cells[0]["recipients"][0]["address"].strip("<>")
        assert told.endswith("@example.org")
        assert told in cells[0]["reply"]
        assert cells[0]["children"][0]["answers"][0]["text"].count(told) == 2


def test_what_is_listed_and_what_is_counted_agree(opened: Open) -> None:
    writer = opened()
    store(writer, record(1), record(2, "reject"), start=NOW)
    store(writer, record(3), start=NOW + 60)
    history = History(writer)
    assert history.tally(NOW).messages == {"accept": 2, "reject": 1}
    assert history.tally(NOW + 60).messages == {"accept": 1}
    assert history.tally(NOW, NOW + 60).messages == {"accept": 1, "reject": 1}
    by_minute = history.tallies(NOW, NOW + 3600, 60)
    assert {start: tally.messages for start, tally in by_minute.items()} == {
        NOW: {"accept": 1, "reject": 1},
        NOW + 60: {"accept": 1},
    }


def test_what_is_too_old_or_too_much_goes_and_counts_stay(opened: Open) -> None:
    writer = opened()
    store(writer, *(record(number, "reject") for number in range(1500)))
    history = History(writer)
    time.sleep(0.01)
    middle = time.time()
    store(writer, *(record(number) for number in range(2000, 2100)), start=NOW + 60)
    keep_within(writer, Limits(keep=100.0), middle + 100.0)
    assert len(found(history)) == 100
    assert found(history, verdict="reject") == []
    assert writer.rows(
        "SELECT count(*) FROM {p}words w WHERE w.message NOT IN (SELECT id FROM {p}messages)"
    ) == [(0,)]
    assert history.tally(NOW).messages == {"reject": 1500, "accept": 100}
    keep_within(writer, Limits(max_size=1), middle)
    assert found(history) == []
    assert writer.rows("SELECT count(*) FROM {p}words") == [(0,)]
    keep_within(writer, Limits(keep_counts=1.0), NOW + 3600.0)
    assert history.tally(NOW).messages == {}


def test_counts_are_put_together_and_stay_the_same(opened: Open) -> None:
    writer = opened()
    for number in range(0, 7200, 20):
        store(writer, record(number), start=NOW + number // 60 * 60)
    history = History(writer)
    before = history.tally(0).as_dict()
    keep_within(writer, Limits(), NOW + 7200.0 + 600)
    assert writer.rows("SELECT count(*), min(span), max(span) FROM {p}counts") == [(120, 60, 60)]
    keep_within(writer, Limits(), NOW + 3 * 86400.0)
    ((rows, least, most),) = writer.rows("SELECT count(*), min(span), max(span) FROM {p}counts")
    assert (least, most) == (3600, 3600)
    assert rows in (2, 3), "the hours that two hours touch"
    assert history.tally(0).as_dict() == before
    keep_within(writer, Limits(), NOW + 4 * 86400.0)
    assert writer.rows("SELECT count(*) FROM {p}counts") == [(rows,)]


def test_a_history_of_a_newer_postmill_is_refused(opened: Open) -> None:
    writer = opened()
    writer.rows("UPDATE {p}facts SET fact = ? WHERE name = 'version'", (b"2",))
    try:
        for writes in (True, False):
            with pytest.raises(OSError, match="newer Postmill"):
                opened(writes=writes)
    finally:
        writer.rows("UPDATE {p}facts SET fact = ? WHERE name = 'version'", (b"1",))


@pytest.mark.parametrize(
    "url", ["", "/var/lib/x.db", "sqlite:x.db", "sqlite://host/x", "mysql://u:secret@h/d"]
)
def test_a_url_that_names_none(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:") as caught:
        open_database(url, writes=True)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_not_made_by_who_reads(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unable to open"):
        open_database(f"sqlite:{tmp_path}/history.db", writes=False)
    with pytest.raises(OSError, match="No such file"):
        open_database(f"sqlite:{tmp_path}/none/history.db", writes=True)
    assert list(tmp_path.iterdir()) == []


def test_records_wait_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("postmill.history.writing._RETRY", 0.02)
    monkeypatch.setattr("postmill.history.writing.MOST_WAITING", 10)
    place = tmp_path / "late"
    url = f"sqlite:{place}/history.db"
    historian = Historian(lambda: open_database(url, writes=True), "mx1")
    whole = Tally()
    for number in range(25):
        batch = Batch(NOW, [record(number)])
        batch.tally.add(batch.records[0], 1.0)
        whole.merge(batch.tally.as_dict())
        historian.take(batch)
    deadline = time.monotonic() + 20
    while "given up" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    place.mkdir()
    historian.close(20.0)
    history = History(open_database(url, writes=False))
    assert found(history) == [f"Q{number}" for number in range(24, 14, -1)]
    assert history.tally(0).as_dict() == whole.as_dict()
    history.close()
    assert caplog.text.count("records wait, mail goes on") == 1


def test_a_record_that_is_odd_takes_no_other_with_it(tmp_path: Path, caplog: Any) -> None:
    url = f"sqlite:{tmp_path}/history.db"
    historian = Historian(lambda: open_database(url, writes=True), "mx1")
    batch, whole = Batch(NOW), Tally()
    for number in range(5):
        one = record(number)
        batch.records.append(one)
        batch.tally.add(one, 1.0)
    whole.merge(batch.tally.as_dict())
    batch.records[2].recipients = [None]  # type: ignore[list-item]
    historian.take(batch)
    historian.take(Batch(NOW, [record(5)]))
    historian.close(20.0)
    with closing(History(open_database(url, writes=False))) as history:
        assert found(history) == ["Q5", "Q4", "Q3", "Q1", "Q0"]
        assert history.tally(0).as_dict() == whole.as_dict()
    assert "history: 1 records are odd, and lost to it" in caplog.text
    assert caplog.text.count("defect in Postmill") == 1


def test_a_defect_that_stays_is_told_now_and_then_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("postmill.history.writing._RETRY", 0.2)
    url, broken = f"sqlite:{tmp_path}/history.db", True

    def reach() -> Database:
        if broken:
            raise ZeroDivisionError
        return open_database(url, writes=True)

    historian = Historian(reach, "mx1")
    began = time.monotonic()
    historian.take(Batch(NOW, [record(1), record(2)]))
    while (told := caplog.text.count("defect in Postmill")) < 4 and time.monotonic() < began + 20:
        time.sleep(0.01)
    assert 4 <= told <= 3 + (time.monotonic() - began) / 0.2
    broken = False
    historian.close(20.0)
    with closing(History(open_database(url, writes=False))) as history:
        assert found(history) == ["Q2", "Q1"]


def test_cells_are_small_and_take_any_text() -> None:
    made = record(1, children={"spam": ChildRecord("spam", [Answer("mail", "continue", 1.0)] * 6)})
    assert unpack(pack(made.as_dict())) == made.as_dict()
    cell = pack_record(made.compact_json())
    assert MessageRecord.from_dict(unpack(cell)) == made
    assert len(cell) < 200
    odd = {"text": "\udcff\x00\U0001f600"}
    assert unpack(pack(odd)) == odd


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        (
            "58669310c00c437623a850c096db8a81c5064a8e8bad8dad050029d0134e",
            {"session": "s", "children": [{"name": "spam", "answers": []}]},
        ),
        (
            "586622ac49d04376232886d0137ea243124caf1d6a9aaf050058731432",
            {"session": "s", "recipients": [["<a@b.example>", "continue"]]},
        ),
    ],
)
def test_what_was_stored_once_is_read_for_ever(cell: str, values: dict[str, object]) -> None:
    """Compression leans on dictionaries that stand in the code: a cell of each."""
    assert unpack(bytes.fromhex(cell)) == values


def test_no_text_keeps_others_from_being_stored(opened: Open) -> None:
    odd = record(1, session="s-\udcff", queue_id="Q\udcff")
    writer = opened()
    store(writer, odd, record(2))
    assert found(History(writer), text="Q\udcff") == ["Q\udcff"]
    assert found(History(writer), text="Q2") == ["Q2"]
