"""Mail for `bench.history`: records as they are after three milters, all different, always the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Recipient

DOMAINS = ("example.org", "example.net", "shop.example", "tiny.example")
WEIGHTS = (60, 30, 9.9, 0.1)
ADDRESSES = 200_000
SENDERS = 5_000
"""Domains of senders."""
VERDICTS = ("accept", "reject", "tempfail", "quarantine", "discard", "aborted")
SHARES = (72, 14, 12, 1, 0.5, 0.5)
CHILDREN = ("greylist", "spamassassin", "clamav")


def records(count: int, begin: float, step: float, seed: int = 1) -> Iterator[MessageRecord]:
    """Yield records, one every ``step`` seconds from ``begin`` on."""
    luck = random.Random(seed)
    for number in range(count):
        yield _record(luck, number, begin + number * step)


def queue_id(number: int) -> str:
    """Return the queue id of a record."""
    return f"4B{number:09X}"


def message_id(number: int) -> str:
    """Return its Message-ID."""
    return f"<{number:08x}.{number * 2654435761 % 2**32:08x}@mail.example.com>"


def address(luck: random.Random) -> str:
    """Return somebody's address, of some far more often than of others."""
    domain = luck.choices(DOMAINS, WEIGHTS)[0]
    return f"<person{int(ADDRESSES * luck.random() ** 2)}@{domain}>"


def sender(luck: random.Random) -> str:
    """Return the address of a sender."""
    return f"<news{luck.randrange(50)}@sender{int(SENDERS * luck.random() ** 3)}.example>"


def _record(luck: random.Random, number: int, time: float) -> MessageRecord:
    verdict = luck.choices(VERDICTS, SHARES)[0]
    record = MessageRecord(
        session=f"{number // 2:x}-1",
        queue_id=queue_id(number),
        message_id=message_id(number),
        size=luck.randrange(800, 90_000),
        time=time,
        client_name=f"mail{luck.randrange(3000)}.example.com",
        client_address=f"192.0.{luck.randrange(256)}.{luck.randrange(256)}",
        helo="mail.example.com",
        sender=sender(luck),
        recipients=[
            Recipient(address(luck), "continue") for _ in range(luck.choices((1, 2, 5), (85, 12, 3))[0])
        ],
        stage="end-of-message",
        verdict=verdict,
        ms=luck.lognormvariate(6, 0.8),
    )
    for name in CHILDREN:
        record.children[name] = _child(luck, name)
    _decide(luck, record)
    return record


def _child(luck: random.Random, name: str) -> ChildRecord:
    child = ChildRecord(name)
    if luck.random() < 0.1:
        child.conditions["trust"] = Decision("trust", False, "client is in trusted-networks")
        return child
    stages = ("connect", "helo", "mail", "rcpt", "data", "end-of-message")
    child.answers = [Answer(stage, "continue", round(luck.lognormvariate(-1, 0.5), 3)) for stage in stages]
    score = f"No, score={luck.uniform(-5, 4):.1f} required=5.0 tests=DKIM_VALID,SPF_PASS autolearn=ham"
    header = {"greylist": "X-Greylist", "spamassassin": "X-Spam-Status", "clamav": "X-Virus-Scanned"}[name]
    child.changes = [Change("add-header", header, "", score if name == "spamassassin" else "by mx1")]
    child.edits = {"add-header": 1}
    return child


def _decide(luck: random.Random, record: MessageRecord) -> None:
    by = {"tempfail": "greylist", "reject": "spamassassin", "quarantine": "spamassassin", "discard": "clamav"}
    child = record.children.get(by.get(record.verdict, ""))
    if child is None:
        return
    child.conditions.clear()
    reply = (
        "451 4.7.1 Greylisted" if record.verdict == "tempfail" else f"550 5.7.1 score {luck.randrange(6, 40)}"
    )
    child.answers = [
        *child.answers[:5],
        Answer("end-of-message", record.verdict, round(luck.lognormvariate(5, 1), 3), reply),
    ]
    child.changes, child.edits = [], {}
    record.by, record.reply = child.name, reply
