"""What a collector gets of a history: each message at least once, the same however often, and none by chance."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postmill.errors import UnavailableError
from postmill.history import Batch, History, open_database
from postmill.history.writing import write
from postmill.record import Answer, ChildRecord, Decision, MessageRecord, Recipient
from postmill.tracing import collector, following
from postmill.tracing.collector import Collector
from postmill.tracing.following import Follower, Place
from postmill.tracing.spans import trace_id
from tests.tracing.receiver import Receiver, receiving

HOST = "mx1.example.org"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(collector, "_WITHIN", 1.0)
    with receiving() as one:
        yield one


def message(queue_id: str, verdict: str = "accept", **more: object) -> MessageRecord:
    answers = [
        Answer("mail", "continue", 4.0),
        Answer("end-of-message", verdict, 20.0, "no <joe@example.org>"),
    ]
    record = MessageRecord(
        session="1-2",
        queue_id=queue_id,
        message_id="<1@example.com>",
        size=900,
        time=time.time(),
        client_name="mail.example.com",
        client_address="192.0.2.1",
        sender="<joe@example.org>",
        recipients=[Recipient("<jane@example.org>", "continue")],
        children={
            "spam": ChildRecord("spam", answers),
            "virus": ChildRecord("virus", conditions={"trust": Decision("trust", False, "known")}),
        },
        stage="end-of-message",
        verdict=verdict,
        by="spam" if verdict != "accept" else "",
        reply="550 no <joe@example.org>" if verdict == "reject" else "",
        ms=50.0,
    )
    for name, value in more.items():
        setattr(record, name, value)
    return record


def store(folder: Path, *records: MessageRecord) -> None:
    with closing(open_database(f"sqlite:{folder}/history.db", writes=True)) as database:
        write(database, [Batch(0, list(records))], HOST, "keep", b"k")


def follower(folder: Path, url: str, addresses: bool = False, most: int = 0) -> Follower:
    def reach() -> History:
        return History(open_database(f"sqlite:{folder}/history.db", writes=False))

    return Follower(reach, Collector(url), Place(folder / "place"), addresses, most)


@pytest.fixture
def folder(tmp_path: Path, receiver: Receiver) -> Path:
    """A history with one old message, and a follower's place behind it."""
    store(tmp_path, message("OLD"))
    with closing(follower(tmp_path, receiver.url)) as one:
        assert one.catch_up() == 0
    return tmp_path


def test_a_message_is_a_trace_found_by_its_queue_id(folder: Path, receiver: Receiver) -> None:
    sent = message("4XYZ", "reject")
    store(folder, sent)
    with closing(follower(folder, receiver.url)) as one:
        assert (one.catch_up(), one.catch_up()) == (1, 0)
    found = receiver.of(trace_id(HOST, "4XYZ").hex())
    assert found.keys() == {"message", "spam mail", "spam end-of-message"}
    assert len(receiver.spans) == 3
    root = found["message"]
    assert root.resource["host.name"] == HOST
    assert root.resource["service.name"] == "postmill"
    assert root.attributes == {
        "postmill.queue_id": "4XYZ",
        "postmill.message_id": "<1@example.com>",
        "postmill.session": "1-2",
        "postmill.verdict": "reject",
        "postmill.by": "spam",
        "postmill.stage": "end-of-message",
        "postmill.reply": "550 no <…>",
        "postmill.size": 900,
        "postmill.ms": 50.0,
        "postmill.recipient_count": 1,
        "postmill.left_out": ["virus: trust"],
        "client.address": "192.0.2.1",
        "postmill.client_name": "mail.example.com",
    }
    assert root.error == "550 no <…>"
    assert root.end == pytest.approx(sent.time, abs=1e-5)
    assert root.events["MAIL"] == pytest.approx(sent.time - 0.05, abs=1e-5)
    last = found["spam end-of-message"]
    assert (last.parent, last.error) == (root.span, "no <…>")
    assert (last.end - last.start, last.end) == pytest.approx((0.02, sent.time), abs=1e-5)
    assert found["spam mail"].error is None
    assert found["spam mail"].start == pytest.approx(sent.time - 0.05, abs=1e-5)


def test_the_id_on_the_page_is_the_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()
    assert f"$ postmill trace --id 4XYZ --host mx1\n{trace_id('mx1', '4XYZ').hex()}\n" in page


def test_addresses_are_sent_when_asked_for(folder: Path, receiver: Receiver) -> None:
    store(folder, message("A", "reject"))
    with closing(follower(folder, receiver.url, addresses=True)) as one:
        one.catch_up()
    (root,) = receiver.roots()
    assert root.attributes["postmill.sender"] == "<joe@example.org>"
    assert root.attributes["postmill.recipients"] == ["<jane@example.org>"]
    assert root.attributes["postmill.reply"] == "550 no <joe@example.org>"


def test_a_lost_milter_is_an_error_and_a_message_that_passed_is_none(
    folder: Path, receiver: Receiver
) -> None:
    lost = ChildRecord("spam", [Answer("mail", "lost:timeout", 25_000.0, "no answer")])
    store(folder, message("A", children={"spam": lost}))
    with closing(follower(folder, receiver.url)) as one:
        one.catch_up()
    assert {span.name: span.error for span in receiver.spans} == {"message": None, "spam mail": "no answer"}


def test_a_refusal_that_was_only_evaluated_is_no_error(folder: Path, receiver: Receiver) -> None:
    trial = ChildRecord("spam", [Answer("mail", "reject", 1.0, "550 no")], evaluated=True)
    store(folder, message("A", children={"spam": trial}))
    with closing(follower(folder, receiver.url)) as one:
        one.catch_up()
    assert [span.error for span in receiver.spans] == [None, None]
    assert receiver.spans[1].attributes["postmill.verdict"] == "reject"


def test_messages_without_a_queue_id_and_connections_have_traces_of_their_own(
    folder: Path, receiver: Receiver
) -> None:
    connection = message("", "reject", sender=None, ms=0.0, recipients=[])
    store(folder, message(""), message(""), connection)
    with closing(follower(folder, receiver.url)) as one:
        assert one.catch_up() == 3
    assert [root.name for root in receiver.roots()] == ["message", "message", "connection"]
    assert len({root.trace for root in receiver.roots()}) == 3


def test_of_a_second_so_many_are_sent_and_what_had_trouble_is_among_them(
    folder: Path, receiver: Receiver
) -> None:
    lost = {"spam": ChildRecord("spam", [Answer("mail", "lost:timeout", 25_000.0)])}
    passed = [message(f"P{number}") for number in range(200)]
    store(folder, *passed, message("R", "reject"), message("T", "tempfail"), message("L", children=lost))
    with closing(follower(folder, receiver.url, most=5)) as one:
        assert (one.catch_up(), one.left_out) == (5, 198)
        store(folder, message("LATER"))
        assert one.catch_up() == 1
    sent = [root.attributes["postmill.queue_id"] for root in receiver.roots()]
    assert sent == ["P0", "P1", "R", "T", "L", "LATER"]


def test_one_message_is_sent_when_it_is_asked_for(folder: Path, receiver: Receiver) -> None:
    store(folder, *(message(f"P{number}") for number in range(3)))
    place = (folder / "place").read_text()
    with closing(follower(folder, receiver.url, most=1)) as one:
        assert one.send("P1") == 1
        assert receiver.of(trace_id(HOST, "P1").hex()).keys() > {"message"}
        assert len(receiver.roots()) == 1
        with pytest.raises(UnavailableError, match="the history has no message NOBODY"):
            one.send("NOBODY")
        receiver.status = 503
        with pytest.raises(UnavailableError, match="takes no traces"):
            one.send("P2")
    assert (folder / "place").read_text() == place


def test_nothing_is_lost_while_the_collector_is_away(folder: Path, receiver: Receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        store(folder, message("A"))
        with (
            closing(follower(folder, nobody)) as one,
            pytest.raises(UnavailableError, match="cannot be reached"),
        ):
            one.catch_up()
    receiver.status = 401
    with (
        closing(follower(folder, receiver.url)) as one,
        pytest.raises(UnavailableError, match="it answers 401"),
    ):
        one.catch_up()
    receiver.status = 200
    store(folder, message("B"))
    with closing(follower(folder, receiver.url)) as one:
        assert one.catch_up() == 2
    assert [root.attributes["postmill.queue_id"] for root in receiver.roots()] == ["A", "B"]


def test_what_is_sent_twice_is_the_same(folder: Path, receiver: Receiver) -> None:
    store(folder, message("A"))
    place = (folder / "place").read_text()
    for _ in range(2):
        (folder / "place").write_text(place)
        with closing(follower(folder, receiver.url)) as one:
            assert one.catch_up() == 1
    first, second = receiver.spans[:3], receiver.spans[3:]
    assert first == second


def test_a_message_that_the_collector_refuses_does_not_keep_the_others(
    folder: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "BATCH", 4)
    names = [f"QUEUE{number}" for number in range(10)]  # so long a name is in no hash by chance
    store(folder, *map(message, names))
    receiver.refuses = b"QUEUE6"
    with closing(follower(folder, receiver.url)) as one:
        assert one.catch_up() == 10
    sent = [root.attributes["postmill.queue_id"] for root in receiver.roots()]
    assert sent == [name for name in names if name != "QUEUE6"]
    assert "message QUEUE6 is given up: the collector refuses it" in caplog.text


def test_the_first_message_of_a_history_is_sent_where_it_was_waited_for(
    tmp_path: Path, receiver: Receiver
) -> None:
    with closing(follower(tmp_path, receiver.url)) as one:
        with pytest.raises(OSError, match="unable to open"):
            one.catch_up()
        store(tmp_path, message("FIRST"))
        assert one.catch_up() == 1


def test_a_place_that_cannot_be_kept_is_an_error(folder: Path, receiver: Receiver) -> None:
    (folder / "place").write_text("no number")
    with (
        closing(follower(folder, receiver.url)) as one,
        pytest.raises(UnavailableError, match="cannot read how far"),
    ):
        one.catch_up()
    with pytest.raises(UnavailableError, match="cannot keep how far"):
        Place(folder / "gone" / "place").write(7)


@pytest.mark.parametrize("path", ["", "/"])
def test_the_usual_path_is_added_and_another_is_kept(folder: Path, receiver: Receiver, path: str) -> None:
    store(folder, message("A"))
    with (
        closing(follower(folder, f"{receiver.url}/other")) as one,
        pytest.raises(UnavailableError, match="404"),
    ):
        one.catch_up()
    with closing(follower(folder, f"{receiver.url}{path}")) as one:
        assert one.catch_up() == 1
