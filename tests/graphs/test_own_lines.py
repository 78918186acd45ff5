"""What our log lines say of a message, read back: words and JSON come to the same counts."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from postmill.daemon.logs import describe
from postmill.graphs.own_lines import ALL_STAGES, record_of
from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Recipient, Tally, one_line

RECIPIENTS = [
    Recipient("<you@example.org>", "continue"),
    Recipient('<"o, <dd> verdict=x"@example.org>', "continue"),
]


def whole() -> MessageRecord:
    spam = ChildRecord(
        "spam",
        [
            Answer("mail", "continue", 0.5),
            Answer("end-of-message", "reject", 40.0, "550 no", "score 9 (GTUBE)"),
        ],
        {"add-header": 2, "change-header": 1},
        [Change("add-header", "X-Spam-Flag", "", "YES")],
    )
    left_out = ChildRecord(
        "clamav-milter", conditions={"not trust": Decision("not trust", False, "it is (a) b: c")}
    )
    lost = ChildRecord("dkim_2", [Answer("connect", "lost:timeout", 5000.0, "no answer")])
    trial = ChildRecord("new", [Answer("end-of-message", "discard", 3.0)], evaluated=True)
    return MessageRecord(
        session="s-1",
        queue_id="4ABC",
        client_name="[unknown]",
        client_address="2001:db8::7",
        sender='<"a verdict=accept b"@example.com>',
        recipients=RECIPIENTS,
        children={child.name: child for child in (spam, left_out, lost, trial, ChildRecord("last"))},
        stage="end-of-message",
        verdict="reject",
        by="spam",
        reply='550 5.7.1 say "no" spam=accept/1.0ms, please',
        held="",
    )


def counts(record: MessageRecord) -> Tally:
    tally = Tally()
    tally.add(record, 5.0)
    return tally


def test_words_come_to_the_same_counts_as_the_record() -> None:
    record = record_of(one_line(describe(whole())))
    assert record is not None
    read, real = counts(record), counts(whole())
    assert (read.messages, read.connections) == (real.messages, real.connections)
    assert list(read.children) == list(real.children)
    for name, child in real.children.items():
        found = read.children[name]
        for what in ("asked", "verdicts", "decided", "skipped", "errors", "evaluated"):
            assert getattr(found, what) == getattr(child, what), (name, what)
    assert record.children["spam"].ms == pytest.approx(40.5)
    assert list(read.children["spam"].times) == [ALL_STAGES]


def test_json_is_the_record() -> None:
    assert record_of(json.dumps({"text": "x", "message": whole().as_dict()})) == whole()


def test_a_connection_without_a_message() -> None:
    connection = MessageRecord(session="s-2", client_name="a", client_address="192.0.2.1", verdict="reject")
    record = record_of(describe(connection))
    assert record is not None
    assert counts(record).as_dict() == counts(connection).as_dict()


@pytest.mark.parametrize(
    "text",
    [
        "serving: unix:/x",
        "4ABC: spam: lost:timeout at mail in 5.0 ms",
        "",
        "{",
        '{"message": [1]}',
        "[]",
        "{}",
    ],
)
def test_other_lines_are_about_no_message(text: str) -> None:
    assert record_of(text) is None


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_what_clients_and_milters_say_forges_no_verdict(sender: str, reply: str, because: str) -> None:
    record = whole()
    quoted = sender.replace("\\", "").replace('"', "")
    record.sender = f'<"{quoted}"@example.com>'
    record.reply = reply
    spam = record.children["spam"]
    spam.answers[-1] = spam.answers[-1]._replace(because=because)
    read = record_of(one_line(describe(record)))
    assert read is not None
    assert (read.verdict, read.by, read.stage) == ("reject", "spam", "end-of-message")


def test_a_reason_for_holding_a_message() -> None:
    record = whole()
    record.held = 'say "why" now'
    for reply in ("", 'one "two" three'):
        record.reply = reply
        read = record_of(describe(record))
        assert read is not None
        assert list(read.children) == list(record.children)
