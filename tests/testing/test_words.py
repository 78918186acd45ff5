"""The notation for replies and edits, and messages cut and joined."""

from __future__ import annotations

import pytest

from postmill.testing import words
from postmill.testing.message import join_message, split_message
from postmill.wire.framing import frame
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    Progress,
    Quarantine,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Tempfail,
)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("reject", Reject()),
        ("Temporary_Failure", Tempfail()),
        ("tempfail", Tempfail()),
        ("shutdown", Shutdown()),
        ("550 5.7.1 no", ReplyCode(b"550 5.7.1 no")),
        ("451 100% full", ReplyCode(b"451 100%% full")),
        ("550 5.7.1 one\\n5.7.1 two\\nthree", ReplyCode(b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 three")),
        ("550-a\\n550 b", ReplyCode(b"550-a\r\n550 b")),
        ("550", ReplyCode(b"550")),
    ],
)
def test_replies(text: str, packet: ReplyPacket) -> None:
    assert words.reply_packet(text) == packet


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("add-header:X-A:1:2", AddHeader(b"X-A", b"1:2")),
        ("add_header:X-A:", AddHeader(b"X-A", b"")),
        ("insert-header:3:X-A:v", InsertHeader(3, b"X-A", b"v")),
        ("change-header:2:X-A:a\\n b", ChangeHeader(2, b"X-A", b"a\n b")),
        ("delete-header:1:X-A", ChangeHeader(1, b"X-A", b"")),
        ("replace-body:a\\nb", ReplaceBody(b"a\r\nb")),
        ("replace-body:", ReplaceBody(b"")),
        ("add-rcpt:<a@b>", AddRcpt(b"<a@b>")),
        ("add-rcpt:<a@b> NOTIFY=NEVER FOO=1", AddRcptPar(b"<a@b>", b"NOTIFY=NEVER FOO=1")),
        ("add-rcpt-args:<a@b>", AddRcptPar(b"<a@b>", None)),
        ("delete-rcpt:a@b", DelRcpt(b"a@b")),
        ("change-from:<>", ChangeFrom(b"<>", None)),
        ("quarantine:virus: found", Quarantine(b"virus: found")),
        ("progress", Progress()),
    ],
)
def test_edits_and_back(text: str, packet: ReplyPacket) -> None:
    assert words.edit_packet(text) == packet
    if not text.startswith(("replace-body", "add_header", "add-header:X-A:")) and "\\n" not in text:
        assert words.edit_packet(words.describe(packet)) == packet


@pytest.mark.parametrize(
    ("call", "text", "named"),
    [
        (words.reply_packet, "maybe", "'maybe'"),
        (words.reply_packet, "999 x", "'999 x'"),
        (words.edit_packet, "paint:red", "'paint:red'"),
        (words.edit_packet, "add-header:X-A", "add-header:NAME:VALUE"),
        (words.edit_packet, "insert-header:first:X-A:1", "'first'"),
        (words.stage_letter, "lunch", "stages are .*end-of-message"),
        (words.seconds, "soon", "'soon'"),
        (words.raw_bytes, "0xzz", "'0xzz'"),
    ],
)
def test_what_cannot_be_understood_is_named(call: object, text: str, named: str) -> None:
    assert callable(call)
    with pytest.raises(words.NotationError, match=named):
        call(text)


def test_stages_times_and_bytes() -> None:
    names = ["rcpt", "R", "Envelope-Recipient", "eom", "any", "*", "accepted", "end_of_header"]
    assert [words.stage_letter(name) for name in names] == ["R", "R", "R", "E", "*", "*", "^", "N"]
    assert [words.seconds(text) for text in ("2", "250ms", "0.5s", "1m", "1h")] == [2, 0.25, 0.5, 60, 3600]
    assert words.raw_bytes("0x00 00 00 01 63") == frame(ord("c"))
    assert words.raw_bytes("\\x00a\\r\\n\xff") == b"\0a\r\n\xff"
    assert words.describe(ReplyCode(b"550-100%%\r\n550 b")) == "550-100%\\r\\n550 b"
    assert words.describe(ReplaceBody(b"abc")) == "replace-body: 3 bytes"
    assert words.describe(Tempfail()) == "tempfail"
    assert words.stage_name(ord("L")) == "header"
    assert words.shown(b"a\tb\xff\xc3\xa4") == "a\\tb\\xffä"


@pytest.mark.parametrize(
    ("raw", "headers", "body"),
    [
        (b"A: b\n\nbody\n", ((b"A", b" b"),), b"body\r\n"),
        (b"A: b\r\nC:d\r\n\te\r\n\r\nx\r\ny", ((b"A", b" b"), (b"C", b"d\n\te")), b"x\r\ny\r\n"),
        (b"A : b\n", ((b"A", b" b"),), b""),
        (b"A: b\nno header\nmore\n", ((b"A", b" b"),), b"no header\r\nmore\r\n"),
        (b"\nbody\n", (), b"body\r\n"),
        (b"", (), b""),
        (b"From me Mon\nA: b\n\n", ((b"X-Mailbox-Line", b" From me Mon"), (b"A", b" b")), b""),
        (b" lone fold\n", (), b" lone fold\r\n"),
        (b"A: \xff\n\n\0\n\n", ((b"A", b" \xff"),), b"\0\r\n\r\n"),
    ],
)
def test_messages_are_cut_as_mtas_cut_them(raw: bytes, headers: object, body: bytes) -> None:
    assert split_message(raw) == (headers, body)


def test_a_joined_message_is_the_message() -> None:
    raw = b"A: b\r\nC:d\r\n\te\r\n\r\nx\r\n"
    assert join_message(*split_message(raw)) == raw
