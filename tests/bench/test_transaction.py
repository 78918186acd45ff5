"""The benchmark's sessions are those of Postfix 3.7: same bytes, same waits (protocol §2.3, §5.4)."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from bench.generator import split
from bench.transaction import INET_BUFFER, UNIX_BUFFER, Answer, Transaction, packet, standard

RECORDED = json.loads(Path(__file__).with_name("postfix37.json").read_text())
ANSWER_ALL = struct.pack(">III", 6, 0, 0)


def recorded(name: str) -> tuple[Answer, bytes, int]:
    session = RECORDED[name]
    answer = Answer.parse(bytes.fromhex(session["answer"])[5:])
    return answer, bytes.fromhex("".join(session["packets"])), session["replies"]


def content_of(stream: bytes, leadspc: bool) -> dict[str, Any]:
    """Read helo, client port, headers and body out of a recorded stream; all else must follow from them."""
    packets, _ = split(stream)
    found: dict[str, Any] = {"headers": (), "body": b"", "client_port": 0}
    for code, data in packets:
        if code == ord("C"):
            found["client_port"] = int.from_bytes(data[11:13], "big")
        elif code == ord("H"):
            found["helo"] = data[:-1]
        elif code == ord("L"):
            field, value = data[:-1].split(b"\0")
            found["headers"] += ((field, value if leadspc else b" " + value),)
        elif code == ord("B"):
            found["body"] += data
    return found


@pytest.mark.parametrize(
    ("name", "recipients", "queue_id"),
    [
        ("plain", 1, b"CF15E23E3C2"),
        ("nr-all", 2, b"75AA723E37A"),
        ("no-all", 1, b"C047423E37C"),
        ("symlist", 1, b"1268723E39A"),
        ("headers-leadspc", 1, b"C8AB823E46B"),
    ],
)
def test_a_session_is_what_postfix_sends(name: str, recipients: int, queue_id: bytes) -> None:
    answer, stream, replies = recorded(name)
    mail = Transaction(
        recipients=(b"user1@example.org", b"user2@example.org")[:recipients],
        queue_id=queue_id,
        **content_of(stream, leadspc=bool(answer.protocol & 0x100000)),
    )
    plan = mail.plan([answer], UNIX_BUFFER)
    answered_connect = answer.awaits("C")
    writes = [mail.connect(answer)] if answered_connect else []
    writes += [data for exchange in plan.exchanges for data in exchange.writes]
    assert b"".join([*writes, plan.farewells[0]]) == stream
    assert len(plan.exchanges) + answered_connect == replies


def test_three_milters_are_asked_in_turn_and_get_the_content_one_after_another() -> None:
    answer = Answer.parse(ANSWER_ALL)
    exchanges = standard().plan([answer] * 3, UNIX_BUFFER).exchanges
    content = "L" * 12 + "NBE"
    expected = [(child, letter) for letter in "HMRRT" for child in range(3)]
    expected += [(child, letter) for child in range(3) for letter in content]
    assert [(exchange.child, exchange.letter) for exchange in exchanges] == expected


def test_a_milter_that_answers_only_the_end_of_the_message_gets_it_all_in_full_buffers() -> None:
    answer = Answer.parse(struct.pack(">III", 6, 0, 0xFF080))
    only = standard().plan([answer], UNIX_BUFFER).exchanges
    assert [exchange.letter for exchange in only] == ["E"]
    *full, last = only[0].writes
    assert {len(data) for data in full} == {UNIX_BUFFER}
    assert 0 < len(last) <= UNIX_BUFFER
    assert len(standard().plan([answer], INET_BUFFER).exchanges[0].writes) == 1


def test_the_standard_session_is_the_one_of_the_targets() -> None:
    mail = standard()
    assert (len(mail.recipients), len(mail.headers), len(mail.body)) == (2, 12, 8192)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack(">II", 6, 0),
        struct.pack(">III", 7, 0, 0),
        struct.pack(">III", 6, 0x200, 0),
        ANSWER_ALL + b"\0",
    ],
    ids=["empty", "short", "newer version", "action not offered", "broken list"],
)
def test_answers_that_postfix_refuses_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="negotiation"):
        Answer.parse(data)


def test_split_keeps_a_partial_packet() -> None:
    data = packet("c") + packet("h", b"X\0y\0")
    assert split(data + b"\0\0") == ([(0x63, b""), (0x68, b"X\0y\0")], b"\0\0")
