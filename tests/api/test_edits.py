"""Edits: the packets they become, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postmill.api import BodyEdit, Edit, EnvelopeEdit, HeaderEdit
from postmill.wire.codes import Action
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
    ],
)
def test_refused(say: Callable[[Edit], None]) -> None:
    packets: list[ReplyPacket] = []
    with pytest.raises(ValueError, match=r"."):
        say(Edit(packets))
    assert packets == []


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
