"""What is counted of records, that nothing is counted twice, and that tallies of several processes add up."""

from __future__ import annotations

import json
import random

import pytest

from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Tally, percentile, spent
from postmill.record.tally import MOST_TAGS
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, SessionPlan
from postmill.testing.script import Close, Rule, Script
from postmill.testing.words import reply
from tests.net.hosting import chain


def record(verdict: str, *children: ChildRecord, sender: str | None = "<a@example.com>") -> MessageRecord:
    return MessageRecord(sender=sender, verdict=verdict, children={child.name: child for child in children})


def test_messages_and_connections_are_counted_by_verdict() -> None:
    tally = Tally()
    for verdict in ("accept", "accept", "reject"):
        tally.add(record(verdict), 1.0)
    tally.add(record("reject", sender=None), 1.0)
    assert tally.messages == {"accept": 2, "reject": 1}
    assert tally.connections == {"reject": 1}


def test_a_child_is_counted_by_its_last_word_and_by_each_fault() -> None:
    tally = Tally()
    spam = [Answer("mail", "continue", 1.0), Answer("end-of-message", "reject", 2.0, "550 no")]
    tally.add(record("reject", ChildRecord("spam", spam)), 5.0)
    lost = [Answer("mail", "continue", 1.0), Answer("rcpt", "lost:timeout", 25000.0, "no answer")]
    tally.add(record("tempfail", ChildRecord("spam", lost)), 6.0)
    tally.add(record("tempfail", ChildRecord("spam", [Answer("connect", "lost:connect", 0.1)])), 7.0)
    child = tally.children["spam"]
    assert child.asked == 3
    assert child.verdicts == {"reject": 1, "lost": 2}
    assert child.errors == {"timeout": 1, "connect": 1}
    assert child.heard == 5.0, "when it was last not lost"
    assert {stage: sum(times.values()) for stage, times in child.times.items()} == {
        "mail": 2,
        "end-of-message": 1,
    }, "a fault is no answer, and has no time"


def test_a_child_that_was_left_out_was_not_asked() -> None:
    skipped = ChildRecord("spam", conditions={"trust": Decision("trust", False, "trusted domain")})
    tally = Tally()
    tally.add(record("accept", skipped), 5.0)
    child = tally.children["spam"]
    assert (child.asked, child.verdicts, child.heard) == (0, {"skipped": 1}, 0.0)
    assert child.skipped == {"trust": 1}


def test_what_a_child_decided_and_what_it_would_have_decided() -> None:
    tally = Tally()
    refusing = [Answer("rcpt", "reject", 1.0, "550 no")]
    refused = record("reject", ChildRecord("one", refusing), ChildRecord("new", refusing, evaluated=True))
    refused.by = "one"
    tally.add(refused, 1.0)
    tally.add(record("accept", ChildRecord("new", refusing, evaluated=True)), 2.0)
    assert tally.children["one"].decided == {"reject": 1}
    assert tally.children["one"].evaluated == {}
    assert tally.children["new"].decided == {}
    assert tally.children["new"].evaluated == {"reject/reject": 1, "reject/accept": 1}


def test_headers_of_mail_that_passed_are_counted_once_a_message() -> None:
    flag = Change("add-header", "X-Spam-Flag", "", "YES")
    twice = [ChildRecord(name, changes=[flag, flag]) for name in ("spam", "other")]
    trial = ChildRecord("new", changes=[Change("insert-header", "X-New", "", "1")], evaluated=True)
    gone = ChildRecord(
        "rest", changes=[Change("change-header", "X-Old", "1", ""), Change("add-recipient", "<a@x>")]
    )
    tally = Tally()
    for verdict in ("accept", "quarantine", "reject", "discard"):
        tally.add(record(verdict, *twice, trial, gone), 1.0)
    assert tally.tagged == {"X-Spam-Flag": 2}
    many = [Change("add-header", f"X-{number}") for number in range(MOST_TAGS + 10)]
    tally.add(record("accept", ChildRecord("mad", changes=many)), 1.0)
    assert len(tally.tagged) == MOST_TAGS
    other = Tally()
    another = [Change("add-header", "X-Spam-Flag"), Change("add-header", "Y-1")]
    other.add(record("accept", ChildRecord("mad", changes=another)), 1.0)
    tally.merge(other.as_dict())
    assert (len(tally.tagged), tally.tagged["X-Spam-Flag"]) == (MOST_TAGS, 3)


def test_the_time_that_all_answers_took_is_right_within_a_tenth_and_never_goes_down() -> None:
    dice = random.Random(5)
    times = [dice.lognormvariate(2, 2) for _ in range(2000)]
    tally, last = Tally(), 0.0
    for ms in times:
        tally.add(record("accept", ChildRecord("spam", [Answer("mail", "continue", ms)])), 1.0)
        now = spent(tally.children["spam"].times["mail"])
        assert now >= last
        last = now
    assert last == pytest.approx(sum(times), rel=0.1)
    histogram = tally.children["spam"].times["mail"]
    assert spent(dict(reversed(histogram.items()))) == last, "whatever the order that workers are added in"


def test_what_a_connection_repeats_for_each_message_is_counted_once() -> None:
    """CONNECT and HELO stand in the record of every message of a connection, but were asked once."""
    with chain(Script()) as served:
        mails = [Mail(queue_id=b"Q%d" % number) for number in range(3)]
        FakeMta(served.endpoint).session(SessionPlan(mails=tuple(mails)))
        served.settled()
        records = served.host.records
    assert [child["repeated"] for found in records for child in found["children"]] == [0, 2, 2]
    tally = Tally()
    for found in records:
        (child,) = found["children"]
        answers = [Answer(**answer) for answer in child["answers"]]
        assert [answer.stage for answer in answers][:2] == ["connect", "helo"]
        tally.add(record(found["verdict"], ChildRecord("one", answers, repeated=child["repeated"])), 1.0)
    counts = {stage: sum(times.values()) for stage, times in tally.children["one"].times.items()}
    assert counts == {"connect": 1, "helo": 1, "mail": 3, "rcpt": 3, "data": 3, "end-of-message": 3}


def test_a_fault_at_connect_is_one_fault_however_many_messages_follow() -> None:
    lost = {"on_error": "accept"}
    with chain(Script(rules=[Rule("C", (Close(),))]), Script(), settings=[lost]) as served:
        FakeMta(served.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"Q1"), Mail(queue_id=b"Q2"))))
        served.settled()
        records = served.host.records
    first = [found["children"][0] for found in records]
    assert [child["repeated"] for child in first] == [0, 1]
    assert [child["verdict"] for child in first] == ["lost:closed", "lost:closed"]


def test_tallies_of_several_workers_add_up() -> None:
    first, second, both = Tally(), Tally(), Tally()
    answers = [Answer("mail", "continue", 0.25), Answer("mail", "lost:closed", 3.0)]
    for tally in (first, first, second):
        message = record("accept", ChildRecord("spam", answers), ChildRecord("virus", answers[:1]))
        message.by = "virus"
        message.children["virus"].changes = [Change("add-header", "X-A")]
        tally.add(message, 9.0)
        tally.sessions += 1
    second.add(record("reject", sender=None), 9.5)
    for tally in (first, second):
        both.merge(json.loads(json.dumps(tally.as_dict())))
    assert both.messages == {"accept": 3}
    assert both.connections == {"reject": 1}
    assert (both.sessions, both.tagged, both.children["virus"].decided) == (3, {"X-A": 3}, {"accept": 3})
    assert both.children["spam"].asked == 3
    assert both.children["spam"].errors == {"closed": 3}
    assert both.children["virus"].verdicts == {"continue": 3}
    assert both.children["virus"].heard == 9.0
    assert sum(both.children["spam"].times["mail"].values()) == 3


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("scale", [0.05, 3.0, 4000.0])
def test_percentiles_are_right_within_a_tenth(share: float, scale: float) -> None:
    source = random.Random(f"{share} {scale}")
    times = sorted(source.lognormvariate(0, 1.0) * scale for _ in range(2000))
    tally = Tally()
    for ms in times:
        tally.add(record("accept", ChildRecord("spam", [Answer("rcpt", "continue", ms)])), 1.0)
    exact = times[max(0, round(share * len(times)) - 1)]
    assert percentile(tally.children["spam"].times["rcpt"], share) == pytest.approx(exact, rel=0.1)


def test_no_time_is_too_short_to_be_counted() -> None:
    tally = Tally()
    for ms in (0.0, 0.0004, 0.001):
        tally.add(record("accept", ChildRecord("spam", [Answer("rcpt", "continue", ms)])), 1.0)
    assert percentile(tally.children["spam"].times["rcpt"], 0.5) < 0.002
    assert percentile({}, 0.5) == 0.0


def test_a_reject_of_the_chain_counts_for_the_child_whose_it_was() -> None:
    with chain(Script(rules=[Rule("M", (reply("550 5.7.1 no"),))]), Script()) as served:
        FakeMta(served.endpoint).session(SessionPlan(mails=(Mail(),)))
        served.settled()
        (found,) = served.host.records
    tally = Tally()
    children = [
        ChildRecord(child["name"], [Answer(**answer) for answer in child["answers"]])
        for child in found["children"]
    ]
    tally.add(record(found["verdict"], *children), 1.0)
    assert tally.messages == {"reject": 1}
    assert tally.children["child1"].verdicts == {"reject": 1}
