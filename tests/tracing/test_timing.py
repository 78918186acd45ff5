"""When spans are: lengths are those that were measured, and nothing is put where it cannot have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.record import Answer, ChildRecord, MessageRecord
from postmill.record.value import STAGE_NAMES
from postmill.tracing.timing import begin_of, parts_of

END = 1_800_000_000.0


def record(ms: float, *children: ChildRecord, sender: str | None = "<a@x>") -> MessageRecord:
    return MessageRecord(time=END, ms=ms, sender=sender, children={child.name: child for child in children})


def child(name: str, *said: tuple[str, float], repeated: int = 0) -> ChildRecord:
    return ChildRecord(name, [Answer(stage, "continue", ms) for stage, ms in said], repeated=repeated)


def placed(record: MessageRecord) -> dict[tuple[str, str], tuple[float, float]]:
    """Begin and end of each span, in milliseconds from MAIL."""
    begin = begin_of(record)
    return {
        (one.child, one.stage): (
            round((one.start - begin) * 1000, 2),
            round((one.start + one.seconds - begin) * 1000, 2),
        )
        for one in parts_of(record)
    }


def test_what_comes_before_mail_ends_with_it_and_is_asked_at_once() -> None:
    one = child("a", ("negotiate", 1), ("connect", 2), ("helo", 3), ("mail", 4))
    assert placed(record(100, one, child("b", ("connect", 6), ("helo", 1)))) == {
        ("a", "negotiate"): (-10, -9),
        ("a", "connect"): (-9, -7),
        ("b", "connect"): (-9, -3),
        ("a", "helo"): (-3, 0),
        ("b", "helo"): (-3, -2),
        ("a", "mail"): (0, 4),
    }


def test_recipients_go_in_turn_and_mail_and_data_at_once() -> None:
    both = (("mail", 4.0), ("rcpt", 1.0), ("rcpt", 2.0), ("data", 5.0))
    assert placed(record(100, child("a", *both), child("b", *both))) == {
        ("a", "mail"): (0, 4),
        ("b", "mail"): (0, 4),
        ("a", "rcpt"): (4, 7),
        ("b", "rcpt"): (7, 10),
        ("a", "data"): (10, 15),
        ("b", "data"): (10, 15),
    }


def test_the_content_ends_with_the_message_in_turn_where_there_was_time_for_it() -> None:
    one = child("a", ("header", 1), ("end-of-message", 9))
    other = child("b", ("body", 10), ("end-of-message", 10))
    assert placed(record(100, one, other)) == {
        ("a", "header"): (70, 71),
        ("a", "end-of-message"): (71, 80),
        ("b", "body"): (80, 90),
        ("b", "end-of-message"): (90, 100),
    }
    assert placed(record(25, one, other)) == {
        ("a", "header"): (5, 6),
        ("a", "end-of-message"): (6, 15),
        ("b", "body"): (5, 15),
        ("b", "end-of-message"): (15, 25),
    }, "30 ms do not go into 25: they were at it at the same time"


def test_what_an_earlier_message_of_the_connection_has_is_not_told_again() -> None:
    later = child("a", ("connect", 2), ("helo", 3), ("mail", 4), repeated=2)
    assert placed(record(10, later)) == {("a", "mail"): (0, 4)}


def test_a_connection_without_a_message() -> None:
    assert placed(record(0, child("a", ("connect", 2)), sender=None)) == {("a", "connect"): (-2, 0)}


ANSWERS = st.lists(st.tuples(st.sampled_from(sorted(STAGE_NAMES.values())), st.floats(0, 1000)), max_size=6)


@given(st.lists(ANSWERS, max_size=4), st.floats(0, 10_000))
def test_each_answer_is_in_one_span_of_the_length_that_was_measured(
    said: list[list[tuple[str, float]]], ms: float
) -> None:
    children = [child(str(number), *answers) for number, answers in enumerate(said)]
    found = parts_of(record(ms, *children))
    assert len({(one.child, one.stage) for one in found}) == len(found)
    told = {(one.child, one.stage): [answer.ms for answer in one.answers] for one in found}
    wanted: dict[tuple[str, str], list[float]] = {}
    for number, answers in enumerate(said):
        for stage, length in answers:
            wanted.setdefault((str(number), stage), []).append(length)
    assert told == wanted
    for one in found:
        assert one.seconds == pytest.approx(sum(a.ms for a in one.answers) / 1000, abs=1e-5)
