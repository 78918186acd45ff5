"""What is printed for records that the samples do not bring about."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from postmill.demo.display import Display
from postmill.demo.fate import Fate
from postmill.demo.row import Member
from postmill.demo.samples import SAMPLES, Transcript, problems, send
from postmill.record import Answer, ChildRecord, Decision, MessageRecord, Recipient

ROW = {
    duty: Member(name, "", "", "")
    for duty, name in {"spam": "spam", "virus": "virus", "mark": "tagger"}.items()
}


def shown(record: MessageRecord, fate: Fate | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    Display(console).mail("a mail", ROW, record, fate)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()][2:]


def record(
    verdict: str, *children: ChildRecord, by: str = "", stage: str = "end-of-message"
) -> MessageRecord:
    return MessageRecord(
        queue_id="ABC",
        sender="<a@example.com>",
        recipients=[Recipient("<b@example.org>", "continue")],
        children={child.name: child for child in children},
        stage=stage,
        verdict=verdict,
        by=by,
        ms=12.34,
    )


def test_times_are_summed_by_stage() -> None:
    answers = [Answer("rcpt", "continue", 1.0), Answer("rcpt", "continue", 2.5)]
    answers += [Answer("header", "continue", 0.5), Answer("end-of-message", "continue", 4.0)]
    lines = shown(record("accept", ChildRecord("spam", answers)))
    assert lines[2] == "spam      -    -    -  3.5    -     4.5 continue"
    assert lines[3] == "virus     -    -    -    -    -       - not asked"
    assert lines[5] == "Accept at end-of-message, 12.3 ms after MAIL."


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (ChildRecord("tagger", [Answer("rcpt", "tempfail", 1.0, "451 4.7.1 later")]), "451 4.7.1 later"),
        (ChildRecord("tagger", [Answer("body", "accept", 1.0)]), "accept"),
        (ChildRecord("tagger", [Answer("body", "lost:timeout", 1.0, "no reply")]), "lost:timeout no reply"),
        (
            ChildRecord("tagger", [Answer("end-of-message", "continue", 1.0)], {"add-header": 2}),
            "continue, add-header (2)",
        ),
        (
            ChildRecord("tagger", [Answer("end-of-message", "reject", 1.0)], evaluated=True),
            "without effect: reject",
        ),
        (
            ChildRecord("tagger", conditions={"sender-domain": Decision("sender-domain", False, "not it")}),
            "left out by sender-domain",
        ),
        (ChildRecord("a-filter-of-your-own", [Answer("mail", "continue", 1.0)]), "continue"),
    ],
)
def test_what_a_filter_said(child: ChildRecord, said: str) -> None:
    row = next(line for line in shown(record("accept", child)) if line.startswith(child.name))
    assert row.endswith(said)


def test_a_long_reply_is_cut_to_one_line() -> None:
    reply = "550 5.7.1 " + "no " * 50
    lines = shown(record("reject", ChildRecord("spam", [Answer("mail", "reject", 1.0, reply)]), by="spam"))
    assert lines[2].startswith("spam ")
    assert lines[2].endswith("…")
    assert lines[3].startswith("virus ")


@pytest.mark.parametrize(
    ("verdict", "by", "outcome"),
    [
        ("reject", "spam", "Refused at end-of-message by spam, 12.3 ms after MAIL."),
        ("discard", "spam", "Discard at end-of-message by spam, 12.3 ms after MAIL."),
        ("tempfail", "virus", "Refused for now at end-of-message by virus, 12.3 ms after MAIL."),
    ],
)
def test_what_became_of_it(verdict: str, by: str, outcome: str) -> None:
    assert shown(record(verdict, by=by), Fate("ABC", "550 5.7.1 no", None))[-2:] == [
        "SMTP: 550 5.7.1 no",
        outcome,
    ]


def test_a_held_message(tmp_path: Path) -> None:
    file = tmp_path / "held"
    file.write_text("Subject: x\n\nbody\n")
    assert shown(record("quarantine"), Fate("ABC", "250 Ok", file))[-1] == f"Held, 12.3 ms after MAIL: {file}"


def test_a_message_that_was_taken_away(tmp_path: Path) -> None:
    gone = tmp_path / "new" / "gone"
    assert (
        shown(record("accept"), Fate("ABC", "250 Ok", gone))[-1] == f"Delivered, 12.3 ms after MAIL: {gone}"
    )


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        transcript = asyncio.run(send(SAMPLES[0], closed.getsockname()[1]))
    assert [command for command, _ in transcript.replies] == ["then"]
    assert "refused" in transcript.last


def test_what_is_not_as_expected_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "mail"
    file.write_text("Subject: Lunch?\nX-Postmill-Demo: from outside\n\nbody\n")
    clean, spam = SAMPLES[0], SAMPLES[1]
    good, bad = Transcript([("message", "250 Ok")]), Transcript([("MAIL", "451 later")])
    assert problems(clean, ROW, good, record("accept"), Fate("ABC", "", file)) == [
        "X-Postmill-Demo in the delivered message: True instead of False"
    ]
    assert problems(clean, ROW, bad, record("tempfail", by="virus"), None) == [
        "the SMTP reply: '451' instead of '250'",
        "who decided: 'virus' instead of ''",
        "delivered: False instead of True",
    ]
    assert len(problems(spam, ROW, good, record("accept"), Fate("ABC", "", file))) == 5
