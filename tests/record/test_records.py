"""What the record of a message says after typical sessions, and the line it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from postmill.daemon.logs import describe
from postmill.record import Answer, ChildRecord, MessageRecord, Recipient
from postmill.record.change import LONGEST, MOST
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Client, Mail, SessionPlan
from postmill.testing.plan import Recipient as To
from postmill.testing.script import CONTINUE, Close, Rule, Script
from postmill.testing.words import edit, reply
from tests.net.hosting import ServedChain, chain

CLIENT = Client(b"mail.example.com", b"4", 4711, b"192.0.2.7")
MAIL = Mail(
    recipients=(To(b"<a@x.org>"), To(b"<b@x.org>")),
    headers=((b"Message-ID", b"<1@x.org>"), (b"Subject", b"hello")),
    queue_id=b"4QUEUEID1",
)


def at(stage: str, *words: str) -> Script:
    """A child that says this at a stage: edits, then a verdict."""
    *edits, verdict = words
    return Script(rules=[Rule(stage, (*map(edit, edits), reply(verdict)))])


def records(served: ServedChain, *mails: Mail) -> list[dict[str, Any]]:
    """The records of one session."""
    FakeMta(served.endpoint).session(
        SessionPlan(client=CLIENT, helo=b"client.example", mails=mails or (MAIL,))
    )
    served.settled()
    return served.host.records


def verdicts(child: Mapping[str, Any]) -> dict[str, str]:
    """What a child said at each stage."""
    return {answer["stage"]: answer["verdict"] for answer in child["answers"]}


def test_a_message_that_passes() -> None:
    with chain(
        Script(), at("E", "add-header:X-A:1", "add-rcpt:<new@x>", "replace-body:new", "accept")
    ) as served:
        (record,) = records(served)
    first, second = record["children"]
    assert {key: record[key] for key in record if key not in ("ms", "children", "session")} == {
        "queue_id": "4QUEUEID1",
        "message_id": "<1@x.org>",
        "size": len(b"".join(b"%s: %s\r\n" % header for header in MAIL.headers) + b"\r\n" + MAIL.body),
        "time": 0.0,
        "client_name": "mail.example.com",
        "client_address": "192.0.2.7",
        "helo": "client.example",
        "sender": "<sender@example.com>",
        "recipients": [
            {"address": "<a@x.org>", "verdict": "continue"},
            {"address": "<b@x.org>", "verdict": "continue"},
        ],
        "stage": "end-of-message",
        "verdict": "accept",
        "by": "",
        "reply": "",
        "held": "",
    }
    assert first["edits"] == {}
    assert second["edits"] == {"add-header": 1, "add-recipient": 1, "replace-body": 1}
    assert [tuple(change.values()) for change in second["changes"]] == [
        ("add-header", "X-A", "", "1"),
        ("add-recipient", "<new@x>", "", ""),
        ("replace-body", "", "", "3 bytes"),
    ]
    again = MessageRecord.from_dict(record).as_dict()
    for child in (*again["children"], *record["children"]):
        del child["ms"]  # a sum of what was rounded
    assert again == record
    assert (first["verdict"], second["verdict"]) == ("continue", "accept")
    stages = {"connect", "helo", "mail", "rcpt", "data", "end-of-message"}
    assert set(verdicts(first)) == set(verdicts(second)) == stages
    assert record["ms"] > 0
    assert all(answer["ms"] >= 0 for child in record["children"] for answer in child["answers"])


@pytest.mark.parametrize(
    ("stage", "said", "verdict", "text"),
    [
        ("M", "550 5.7.1 no", "reject", "550 5.7.1 no"),
        ("M", "tempfail", "tempfail", ""),
        ("T", "451 4.7.1 later", "tempfail", "451 4.7.1 later"),
        ("T", "421 4.7.1 bye", "shutdown", "421 4.7.1 bye"),
        ("E", "reject", "reject", ""),
        ("E", "discard", "discard", ""),
        ("L", "550 5.7.1 header", "reject", "550 5.7.1 header"),
    ],
)
def test_a_message_that_is_refused(stage: str, said: str, verdict: str, text: str) -> None:
    names = {"M": "mail", "T": "data", "E": "end-of-message", "L": "end-of-message"}
    with chain(Script(), at(stage, said)) as served:
        (record,) = records(served)
    assert (record["verdict"], record["by"], record["reply"]) == (verdict, "child2", text)
    assert record["stage"] == names[stage]
    assert record["children"][1]["verdict"] == verdict


def test_recipients_that_are_refused() -> None:
    picky = Script(rules=[Rule("R", (reply("550 5.1.1 unknown"),), containing=b"a@")])
    with chain(picky, Script()) as served:
        (record,) = records(served)
    assert record["verdict"] == "accept"
    assert [(to["address"], to["verdict"]) for to in record["recipients"]] == [
        ("<a@x.org>", "reject"),
        ("<b@x.org>", "continue"),
    ]


def test_a_message_without_recipients_left() -> None:
    with chain(at("R", "550 5.1.1 unknown")) as served:
        (record,) = records(served)
    assert {to["verdict"] for to in record["recipients"]} == {"reject"}
    assert (record["verdict"], record["by"]) == ("reject", "child1")


def test_a_connection_that_is_refused() -> None:
    for stage, name in (("C", "connect"), ("H", "helo")):
        with chain(at(stage, "554 5.7.1 go away")) as served:
            record = records(served)[0]
        assert (record["verdict"], record["stage"], record["by"]) == ("reject", name, "child1")
        assert (record["sender"], record["client_address"]) == (None, "192.0.2.7")


def test_several_messages_in_a_session() -> None:
    once = Script(rules=[Rule("E", (edit("add-header:X-A:1"), reply("550 5.7.1 no")), message=1)])
    second = Mail(sender=b"<second@x>", queue_id=b"SECOND")
    with chain(once, settings=[{"pipeline": False}]) as served:
        first, other = records(served, MAIL, second)
    assert (first["queue_id"], first["verdict"]) == ("4QUEUEID1", "reject")
    assert (other["queue_id"], other["verdict"], other["sender"]) == ("SECOND", "accept", "<second@x>")
    assert first["session"] == other["session"]
    assert first["children"][0]["edits"] == {}, "edits of a refused message have no effect"
    assert "connect" in verdicts(other["children"][0]), "what was said of the client belongs to each message"


def test_a_message_that_is_given_up() -> None:
    with chain(Script()) as served:
        (record,) = records(served, Mail(abort_after="R"))
    assert record["verdict"] == "aborted"
    with chain(Script()) as served:
        (record,) = records(served, Mail(drop_after="T"))
    assert record["verdict"] == "aborted"


def test_a_message_that_is_held() -> None:
    with chain(at("E", "quarantine:looks odd", "continue")) as served:
        (record,) = records(served)
    assert (record["verdict"], record["held"]) == ("quarantine", "looks odd")
    assert verdicts(record["children"][0])["end-of-message"] == "quarantine"


@pytest.mark.parametrize(
    ("on_error", "verdict"),
    [
        ("accept", "accept"),
        ("tempfail", "tempfail"),
        ("reject", "reject"),
        ("discard", "discard"),
        ("quarantine", "quarantine"),
        ("shutdown", "shutdown"),
    ],
)
def test_a_child_that_is_lost(on_error: str, verdict: str) -> None:
    dying = Script(rules=[Rule("E", (edit("add-header:X-A:1"), Close()))])
    with chain(dying, Script(), settings=[{"on_error": on_error}]) as served:
        (record,) = records(served)
    lost = record["children"][0]
    assert record["verdict"] == verdict
    assert lost["verdict"] == "lost:closed"
    assert lost["edits"] == {}
    assert "closed" in lost["answers"][-1]["text"]
    assert record["by"] == ("" if on_error in ("accept", "quarantine") else "child1")


def test_an_evaluated_child() -> None:
    with chain(at("E", "add-header:X-A:1", "550 5.7.1 no"), settings=[{"mode": "evaluate"}]) as served:
        (record,) = records(served)
    (child,) = record["children"]
    assert (record["verdict"], record["by"], record["reply"]) == ("accept", "", "")
    assert (child["evaluated"], child["verdict"], child["edits"]) == (True, "reject", {})
    assert child["answers"][-1]["text"] == "550 5.7.1 no"


def test_what_an_evaluated_child_would_have_changed() -> None:
    settings = [{"mode": "evaluate"}, {}]
    with chain(at("E", "change-header:1:Subject:new", "accept"), Script(), settings=settings) as served:
        (record,) = records(served, replace(MAIL, headers=((b"Subject", b"old"),)))
    assert record["children"][0]["changes"] == [
        {"kind": "change-header", "what": "Subject", "before": "old", "after": "new"}
    ]


def test_what_headers_were_before_they_were_changed() -> None:
    first = at("E", "add-header:X-A:1", "change-header:2:X-A:3", "change-header:1:Subject:", "accept")
    second = at("E", "change-header:1:X-A:4", "change-header:1:Subject:back", "accept")
    with chain(first, second) as served:
        (record,) = records(served, replace(MAIL, headers=((b"Subject", b"old"), (b"X-A", b"0"))))
    changes = [
        [(c["what"], c["before"], c["after"]) for c in child["changes"]] for child in record["children"]
    ]
    assert changes == [
        [("X-A", "", "1"), ("X-A", "1", "3"), ("Subject", "old", "")],
        [("X-A", "0", "4"), ("Subject", "", "back")],
    ]


def test_long_texts_and_long_lists_are_cut() -> None:
    words = [f"add-header:X-{number}:{'x' * 600}" for number in range(MOST + 5)]
    with chain(at("E", *words, "accept")) as served:
        (record,) = records(served)
    (child,) = record["children"]
    assert child["edits"] == {"add-header": MOST + 5}
    assert len(child["changes"]) == MOST
    assert child["changes"][0]["after"] == "x" * (LONGEST - 1) + "…"


def test_bytes_that_are_no_text() -> None:
    mail = Mail(sender=b"<\xff\xfe@x>", recipients=(To("<grün@x>".encode()),))
    with chain(Script(rules=[Rule("E", (CONTINUE,))])) as served:
        (record,) = records(served, mail)
    assert record["sender"] == "<\\xff\\xfe@x>"
    assert record["recipients"][0]["address"] == "<grün@x>"


def test_the_line_of_a_message() -> None:
    record = MessageRecord(
        session="s-1",
        queue_id="Q1",
        client_name="mail.example.com",
        client_address="192.0.2.7",
        sender="<s@x>",
        recipients=[Recipient("<a@x>", "continue"), Recipient("<b@x>", "reject")],
        stage="end-of-message",
        verdict="reject",
        by="spam",
        reply="550 5.7.1 no",
        held="why",
        children={
            "signer": ChildRecord(
                "signer",
                [Answer("mail", "continue", 1.0), Answer("rcpt", "continue", 2.25)],
                {"add-header": 2},
            ),
            "new": ChildRecord("new", [Answer("mail", "tempfail", 0.5)], evaluated=True),
            "late": ChildRecord("late"),
        },
    )
    assert describe(record) == (
        "Q1: client=mail.example.com[192.0.2.7] from=<s@x> to=<a@x>,<b@x> "
        'verdict=reject at end-of-message by spam reply="550 5.7.1 no" held="why" '
        "signer=continue/3.2ms add-header:2 new(evaluated)=tempfail/0.5ms late=not-asked/0.0ms"
    )
    assert describe(MessageRecord(session="s-2", verdict="accept")) == "s-2: verdict=accept"
