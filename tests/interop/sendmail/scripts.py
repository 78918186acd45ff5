"""What the two scripted children do: edits alone and in pairs, every verdict and an end at every stage.

Each entry is a pair of scripts, for the first and the second child. Indexes of headers are where Sendmail and
Postfix differ (protocol §3.4, §8): Sendmail goes on counting a header that the same filter has deleted, but
not one that an earlier filter has.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from postmill.testing.script import CONTINUE, Close, Default, Event, Rule, Script, Send, Step
from postmill.testing.words import reply_packet
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    Quarantine,
    ReplaceBody,
    ReplyPacket,
    encode,
)

Pair = tuple[Script, Script]
Edits = Sequence[ReplyPacket]

MESSAGE = (
    b"From: ham@ext.example\r\nTo: alice@test.example\r\nSubject: Edits\r\n"
    b"X-Multi: one\r\nX-Keep: this\r\nX-Multi: two\r\nX-Multi: three\r\n"
    b"Date: Sun, 22 Nov 2026 07:00:00 +0000\r\nMessage-ID: <edits@ext.example>\r\n\r\n"
    b"First line\r\n.second line\r\n"
)


def at_end(edits: Edits, message: int | None = 1) -> Script:
    """Return a script that sends these edits at the end of the first (or with None, each) message."""
    steps = (*(Send(encode(edit)) for edit in edits), CONTINUE)
    return Script(rules=[Rule("E", steps, message=message)])


def edits(first: Edits, second: Edits = ()) -> Pair:
    """Return a pair that edits at the end of the message."""
    return at_end(first), at_end(second)


def add(name: str, value: str) -> AddHeader:
    """Return an ADDHEADER."""
    return AddHeader(name.encode(), value.encode())


def insert(index: int, name: str, value: str) -> InsertHeader:
    """Return an INSHEADER."""
    return InsertHeader(index, name.encode(), value.encode())


def multi(index: int, value: str) -> ChangeHeader:
    """Return a CHGHEADER of the header that the message has three times."""
    return ChangeHeader(index, b"X-Multi", value.encode())


def delete(index: int) -> ChangeHeader:
    """Return a CHGHEADER that deletes it."""
    return multi(index, "")


EDITS: dict[str, Pair] = {
    "nothing": edits([]),
    "add": edits([add("X-A", "1")], [add("X-B", "2")]),
    "add-the-same": edits([add("X-A", "1")], [add("X-A", "2")]),
    "add-existing": edits([add("X-Multi", "four")], [multi(4, "changed")]),
    "add-folded": edits([add("X-Fold", "line one\n\tline two\n line three")]),
    "insert-on-top": edits([insert(0, "X-A", "1")], [insert(0, "X-B", "2")]),
    "insert-below-received": edits([insert(1, "X-A", "1")], [insert(1, "X-B", "2")]),
    "insert-inside": edits([insert(3, "X-A", "1")], [insert(4, "X-B", "2")]),
    "insert-twice": edits([insert(2, "X-A", "1"), insert(2, "X-B", "2")], [insert(3, "X-C", "3")]),
    "insert-beyond": edits([insert(99, "X-A", "1")], [insert(99, "X-B", "2")]),
    "insert-then-change": edits([insert(0, "X-Multi", "zero")], [multi(1, "changed"), multi(4, "last")]),
    "insert-then-delete": edits([insert(0, "X-Multi", "zero")], [delete(1)]),
    "change": edits([multi(2, "changed")], [multi(3, "changed too")]),
    "change-the-same": edits([multi(1, "changed")], [multi(1, "changed again")]),
    "change-index-0": edits([multi(0, "changed")]),
    "change-spelling": edits([ChangeHeader(2, b"x-mULTI", b"changed")]),
    "change-absent": edits(
        [ChangeHeader(1, b"X-None", b"appended")], [ChangeHeader(1, b"X-None", b"changed")]
    ),
    "change-beyond": edits([multi(7, "appended")], [multi(4, "changed")]),
    "delete-absent": edits([ChangeHeader(1, b"X-None", b"")], [multi(1, "changed")]),
    "delete-then-change": edits([delete(1)], [multi(1, "was two")]),
    "delete-then-delete": edits([delete(1)], [delete(1)]),
    "delete-middle-then-change": edits([delete(2)], [multi(2, "was three")]),
    "delete-middle-then-insert": edits([delete(2)], [insert(4, "X-B", "2")]),
    "delete-first-then-insert": edits([delete(1)], [insert(3, "X-B", "2"), insert(5, "X-C", "3")]),
    "delete-upwards-then-change": edits([delete(1), delete(2)], [multi(1, "was three")]),
    "delete-downwards-then-change": edits([delete(3), delete(1)], [multi(1, "was two")]),
    "delete-all-then-change": edits([delete(1), delete(2), delete(3)], [multi(1, "appended")]),
    "delete-all-then-add": edits(
        [delete(3), delete(2), delete(1)], [add("X-Multi", "new"), multi(1, "changed")]
    ),
    "delete-and-revive": edits([delete(1), multi(1, "revived")], [multi(1, "changed")]),
    "delete-change-then-both": edits([delete(1), multi(2, "changed")], [delete(1), multi(2, "second left")]),
    "delete-and-add": edits([delete(1), add("X-Multi", "four")], [multi(3, "was four"), delete(1)]),
    "delete-insert-then-change": edits(
        [delete(2), insert(1, "X-Multi", "zero")], [multi(1, "a"), multi(3, "b")]
    ),
    "add-then-change": edits([add("X-New", "a")], [ChangeHeader(1, b"X-New", b"b")]),
    "add-then-delete": edits([add("X-New", "a")], [ChangeHeader(1, b"X-New", b"")]),
    "subject": edits([ChangeHeader(1, b"Subject", b"Changed")], [ChangeHeader(1, b"Subject", b"Again")]),
    "body-by-first": edits([ReplaceBody(b"new body\r\n")]),
    "body-by-second": edits([], [ReplaceBody(b"new body\r\n")]),
    "body-by-both": edits([ReplaceBody(b"one\r\n")], [ReplaceBody(b"two\r\n"), ReplaceBody(b"more\r\n")]),
    "body-between": edits([ReplaceBody(b"one\r\n"), add("X-A", "1"), ReplaceBody(b"two\r\n")]),
    "body-empty": edits([ReplaceBody(b"")]),
    "body-large": edits([ReplaceBody(b"x" * 70 + b"\r\n")] * 3000),
    "recipients": edits([AddRcpt(b"<carol@test.example>")], [DelRcpt(b"<bob@test.example>")]),
    "recipient-there-and-back": edits([AddRcpt(b"<carol@test.example>")], [DelRcpt(b"<carol@test.example>")]),
    "recipient-with-args": edits([AddRcptPar(b"<carol@test.example>", b"NOTIFY=NEVER")]),
    "no-recipients-left": edits([DelRcpt(b"<bob@test.example>")], [DelRcpt(b"<alice@test.example>")]),
    "sender": edits([ChangeFrom(b"<one@ext.example>", None)], [ChangeFrom(b"<two@ext.example>", None)]),
    "null-sender": edits([], [ChangeFrom(b"<>", None)]),
    "quarantine": edits([Quarantine(b"by the first")], [add("X-B", "2")]),
    "quarantine-by-second": edits([add("X-A", "1")], [Quarantine(b"by the second")]),
    "all-kinds": edits(
        [delete(2), insert(0, "X-A", "1"), ReplaceBody(b"one\r\n"), AddRcpt(b"<carol@test.example>")],
        [
            multi(2, "was three"),
            add("X-B", "2"),
            ReplaceBody(b"two\r\n"),
            ChangeFrom(b"<b@ext.example>", None),
        ],
    ),
}

RANDOM_NAMES = ("X-Multi", "x-multi", "X-Keep", "X-New", "From", "Date", "Message-ID", "Received", "Subject")


def random_edits(seed: int) -> Pair:
    """Return a pair of scripts with up to four header edits each, mostly of the header that is there thrice."""
    chance = random.Random(seed)

    def edit() -> ReplyPacket:
        name = chance.choice(("X-Multi", chance.choice(RANDOM_NAMES)))
        value = f"v{chance.randrange(100)}@ext.example"
        kind = chance.choice("hiimmmdd")
        if kind == "h":
            return add(name, value)
        if kind == "i":
            return insert(chance.choice((0, 1, 2, 5, 8, 9, 10, 11, 14, 30)), name, value)
        return ChangeHeader(chance.randrange(6), name.encode(), value.encode() if kind == "m" else b"")

    first, second = ([edit() for _ in range(chance.randrange(5))] for _ in range(2))
    return edits(first, second)


VERDICT_WORDS = {
    "reject": "reject",
    "tempfail": "tempfail",
    "reply-5xx": "550 5.7.0 not today",
    "reply-4xx": "450 4.2.2 try later",
    "reply-lines": "554 5.7.1 first line\n5.7.1 second line",
    "accept": "accept",
    "discard": "discard",
}

#: DISCARD is for messages; at CONNECT it makes Sendmail drop every filter (protocol §6.2).
CONNECTION_STAGES, MESSAGE_STAGES = "CH", "MRTLNBE"


def in_first_session(script: Script) -> Script:
    """Return a copy whose rules hold on the first connection that any of them matches.

    Within one SMTP session Postmill may give a child a second connection, where messages count from 1 again.
    """
    first: list[int] = []

    def bound(rule: Rule) -> Rule:
        def choose(event: Event) -> Sequence[Step]:
            first[:] = first or [event.connection]
            return rule.steps_for(event) if event.connection == first[0] else (Default(),)

        return replace(rule, steps=choose)

    return replace(script, rules=[bound(rule) for rule in script.rules])


def at_stage(stage: str, word: str) -> Script:
    """Return a script that gives one verdict: at a stage of the first message, or of the session."""
    message = 1 if stage in MESSAGE_STAGES else None
    return Script(rules=[Rule(stage, (Send(encode(reply_packet(word))),), message=message, nth=1)])


def verdicts() -> dict[str, Pair]:
    """Return each verdict at each stage, given by the first and by the second child."""
    table = {}
    for stage in CONNECTION_STAGES + MESSAGE_STAGES:
        for name, word in VERDICT_WORDS.items():
            if name == "discard" and stage in CONNECTION_STAGES:
                continue
            script = at_stage(stage, word)
            table[f"{stage}-{name}-by-first"] = (script, at_end([add("X-B", "2")], None))
            table[f"{stage}-{name}-by-second"] = (at_end([add("X-A", "1")], None), script)
    return table


VERDICTS = verdicts()


def deaths() -> dict[str, Pair]:
    """Return each child hanging up at each stage, in the first message or at CONNECT or HELO."""
    table = {}
    for stage in CONNECTION_STAGES + MESSAGE_STAGES:
        message = 1 if stage in MESSAGE_STAGES else None
        script = Script(rules=[Rule(stage, (Close(),), message=message, nth=1)])
        table[f"{stage}-by-first"] = (script, at_end([add("X-B", "2")], None))
        table[f"{stage}-by-second"] = (at_end([add("X-A", "1")], None), script)
    return table


DEATHS = deaths()
