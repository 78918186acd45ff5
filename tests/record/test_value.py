"""A record as plain values and as JSON: nothing of it is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields

import pytest

from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Recipient


def whole() -> MessageRecord:
    child = ChildRecord(
        "spam",
        [
            Answer("mail", "continue", 0.1234567),
            Answer("end-of-message", "reject", 3.5, "550 nö", "score 20"),
        ],
        {"add-header": 1},
        [Change("add-header", "X-Spam", "", "Yes")],
        evaluated=True,
        repeated=1,
        conditions={"trust": Decision("trust", True, "it is")},
    )
    return MessageRecord(
        session="s-1",
        queue_id="Q1",
        message_id="<m@x>",
        size=12,
        time=1_800_000_000.1234,
        client_name="c",
        client_address="192.0.2.7",
        helo="h",
        sender="<a@x>",
        recipients=[Recipient("<b@x>", "continue")],
        children={"spam": child},
        stage="end-of-message",
        verdict="reject",
        by="spam",
        reply="550 nö",
        held="held",
        ms=4.0004,
    )


def test_every_field_is_among_the_plain_values() -> None:
    data = whole().as_dict()
    assert list(data) == [one.name for one in fields(MessageRecord) if one.init]
    (child,) = data["children"]
    assert [*child] == [*(one.name for one in fields(ChildRecord)), "verdict", "ms"]
    assert all(value for value in data.values()), "the example has something in each"


def test_json_is_the_plain_values() -> None:
    record = whole()
    assert json.loads(record.as_json()) == record.as_dict()


@pytest.mark.parametrize("written", [MessageRecord.as_json, MessageRecord.compact_json])
def test_it_comes_back_but_for_what_is_rounded(written: Callable[[MessageRecord], str]) -> None:
    record = whole()
    again = MessageRecord.from_dict(json.loads(written(record)))
    assert again.as_dict() == record.as_dict()
    assert (again.time, again.ms) == (1_800_000_000.123, 4.0)
