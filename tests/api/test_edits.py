"""Edits: the packets they become, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from postmill.api import Address, BodyEdit, Edit, EnvelopeEdit, HeaderEdit
from postmill.wire.codes import CHUNK, Action
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    ReplaceBody,
    ReplyPacket,
    encode,
)


@pytest.mark.parametrize(
    ("say", "packet"),
    [
        (lambda edit: edit.add_header("X-A", "1"), AddHeader(b"X-A", b"1")),
        (lambda edit: edit.add_header("X-A", "1\n\t2"), AddHeader(b"X-A", b"1\n\t2")),
        (lambda edit: edit.add_header("X-A", "grün"), AddHeader(b"X-A", "grün".encode())),
        (lambda edit: edit.insert_header(0, "X-A", "1"), InsertHeader(0, b"X-A", b"1")),
        (lambda edit: edit.change_header("Subject", "x", 2), ChangeHeader(2, b"Subject", b"x")),
        (lambda edit: edit.delete_header("Subject"), ChangeHeader(1, b"Subject", b"")),
        (lambda edit: edit.add_recipient("a@b.example"), AddRcpt(b"<a@b.example>")),
        (
            lambda edit: edit.add_recipient("<a@b.example>", ["NOTIFY=NEVER"]),
            AddRcptPar(b"<a@b.example>", b"NOTIFY=NEVER"),
        ),
        (lambda edit: edit.delete_recipient("a@b.example"), DelRcpt(b"<a@b.example>")),
        (lambda edit: edit.delete_recipient("<@r.example:a b@c>"), DelRcpt(b"<@r.example:a b@c>")),
        (lambda edit: edit.delete_recipient(Address.parse(b"<\xf6\x01 a@b>")), DelRcpt(b"<\xf6\x01 a@b>")),
        (lambda edit: edit.change_sender("<>"), ChangeFrom(b"<>", None)),
        (lambda edit: edit.change_sender(""), ChangeFrom(b"<>", None)),
        (
            lambda edit: edit.change_sender("a@b.example", ["RET=HDRS"]),
            ChangeFrom(b"<a@b.example>", b"RET=HDRS"),
        ),
        (lambda edit: edit.replace_body(b""), ReplaceBody(b"")),
    ],
)
def test_packets(say: Callable[[Edit], None], packet: ReplyPacket) -> None:
    packets: list[ReplyPacket] = []
    say(Edit(packets))
    assert packets == [packet]


@pytest.mark.parametrize(
    "say",
    [
        lambda edit: edit.add_header("X A", "1"),
        lambda edit: edit.add_header("", "1"),
        lambda edit: edit.add_header("Größe", "1"),
        lambda edit: edit.add_header("X-A", "1\n2"),
        lambda edit: edit.add_header("X-A", "1\n"),
        lambda edit: edit.add_header("X-A", "1\r\n 2"),
        lambda edit: edit.add_header("X-A", "1\0"),
        lambda edit: edit.insert_header(-1, "X-A", "1"),
        lambda edit: edit.change_header("X-A", ""),
        lambda edit: edit.change_header("X-A", "1", 0),
        lambda edit: edit.delete_header("X-A", 0),
        lambda edit: edit.add_recipient("a\r\nb@x"),
        lambda edit: edit.add_recipient("a@x", ["A B"]),
        lambda edit: edit.change_sender("a@x", [""]),
        lambda edit: edit.delete_recipient(""),
        lambda edit: edit.delete_recipient("a\tb@x"),
        lambda edit: edit.add_recipient("a" * 70000),
        lambda edit: edit.delete_recipient("a" * 70000),
        lambda edit: edit.change_sender("a@x", ["a" * 70000]),
        lambda edit: edit.insert_header(1 << 32, "X-A", "1"),
        lambda edit: edit.change_header("X-A", "1", 1 << 32),
    ],
)
def test_refused(say: Callable[[Edit], None]) -> None:
    packets: list[ReplyPacket] = []
    with pytest.raises(ValueError, match=r"."):
        say(Edit(packets))
    assert packets == []


@pytest.mark.parametrize(
    "address",
    [
        "joe@x.example",
        " joe+tag@x.example ",
        "postmaster",
        "jo..e.@x.example",
        "host!joe%there/'x'@x_y.example.",
        '"a b"@x.example',
        '"a \\" @ <b>, c"@x.example',
        'joe."b c".d@x.example',
        "joe@[192.0.2.1]",
        "joe@[IPv6:2001:db8::1]",
        "jörg@grün.example",
        "\udcfc@x.example",
    ],
)
def test_addresses(address: str) -> None:
    expected = f"<{address.strip()}>".encode("utf-8", "surrogateescape")
    for spelled in (address, f"<{address.strip()}>"):
        packets: list[ReplyPacket] = []
        Edit(packets).add_recipient(spelled)
        Edit(packets).change_sender(spelled)
        assert packets == [AddRcpt(expected), ChangeFrom(expected, None)]


@pytest.mark.parametrize(
    "address",
    [
        "Joe Doe <joe@x.example>",
        "Joe <joe@x.example>",
        "<Joe <joe@x.example>>",
        "a@x.example, b@x.example",
        "a@x.example> NOTIFY=NEVER <",
        "just words",
        "@r.example:joe@x.example",
        "joe@",
        "@x.example",
        "a@b@x.example",
        '"a@x.example',
        "joe@x example",
        "joe@[]",
        "joe@x.example (Joe)",
    ],
)
def test_what_is_no_address(address: str) -> None:
    packets: list[ReplyPacket] = []
    with pytest.raises(ValueError, match="is no address"):
        Edit(packets).add_recipient(address)
    with pytest.raises(ValueError, match="is no address"):
        Edit(packets).change_sender(address)
    assert packets == []


def test_a_recipient_is_somebody() -> None:
    for nobody in ("", "<>", " "):
        with pytest.raises(ValueError, match="is no address"):
            Edit([]).add_recipient(nobody)


def test_of_another_type() -> None:
    packets: list[ReplyPacket] = []
    edit = Edit(packets)
    with pytest.raises(TypeError, match="arguments are a list of texts, not 'NOTIFY=NEVER'"):
        edit.add_recipient("joe@x.example", "NOTIFY=NEVER")
    with pytest.raises(TypeError, match="arguments are a list of texts, not 'SIZE=3'"):
        edit.change_sender("joe@x.example", "SIZE=3")
    with pytest.raises(TypeError, match="a body is bytes, not str"):
        edit.replace_body("text")  # type: ignore[arg-type]
    assert packets == []


@pytest.mark.parametrize("write", [AddHeader, partial(InsertHeader, 1), partial(ChangeHeader, 1)])
def test_the_longest_header_that_an_mta_takes(write: Callable[[bytes, bytes], ReplyPacket]) -> None:
    packets: list[ReplyPacket] = []
    edit = Edit(packets)
    most = CHUNK - 8 - len("X-A")
    for say in (edit.add_header, partial(edit.insert_header, 1), edit.change_header):
        say("X-A", "y" * most)
        with pytest.raises(ValueError, match=r"header X-A has 65528 bytes, more than the 65527"):
            say("X-A", "y" * (most + 1))
    assert len(packets) == 3
    assert len(encode(write(b"X-A", b" " + b"y" * most))) <= CHUNK + 5


def test_a_body_goes_in_pieces_and_the_last_one_counts() -> None:
    packets: list[ReplyPacket] = []
    edit = Edit(packets)
    edit.replace_body(b"first")
    edit.add_header("X-A", "1")
    edit.replace_body(b"x" * 70000)
    assert packets == [AddHeader(b"X-A", b"1"), ReplaceBody(b"x" * 65535), ReplaceBody(b"x" * 4465)]


def test_what_is_negotiated_is_what_can_be_edited() -> None:
    assert HeaderEdit.actions == Action.ADDHDRS | Action.CHGHDRS
    assert BodyEdit.actions == Action.CHGBODY
    assert Edit.actions == HeaderEdit.actions | BodyEdit.actions | EnvelopeEdit.actions
