"""Replies, byte by byte (protocol §3.1, §4.6, §10.2)."""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteConfigError, RemoteProtocolError
from postmill.wire.codes import REPLY_LETTERS, Reply
from postmill.wire.framing import FrameReader
from postmill.wire.packets import (
    Accept,
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    ConnFail,
    Continue,
    DelRcpt,
    Discard,
    InsertHeader,
    OptNeg,
    Packet,
    Progress,
    Quarantine,
    Reject,
    ReplaceBody,
    ReplyCode,
    Shutdown,
    Skip,
    Tempfail,
    decode_reply,
    encode,
)

BARE: list[tuple[str, Packet]] = [
    ("c", Continue()),
    ("a", Accept()),
    ("r", Reject()),
    ("t", Tempfail()),
    ("d", Discard()),
    ("s", Skip()),
    ("p", Progress()),
    ("4", Shutdown()),
    ("f", ConnFail()),
]
EXAMPLES: list[tuple[str, Packet]] = [
    ("0000000e7935353020352e372e31206e6f00", ReplyCode(b"550 5.7.1 no")),
    ("000000147935353020352e372e31203130302525206e6f00", ReplyCode(b"550 5.7.1 100%% no")),
    (
        "00000038793535302d352e372e31206c696e65206f6e650d0a3535302d352e372e31206c696e652074776f0d0a"
        "35353020352e372e31206c61737400",
        ReplyCode(b"550-5.7.1 line one\r\n550-5.7.1 line two\r\n550 5.7.1 last"),
    ),
    ("0000000d68582d41646400616464656400", AddHeader(b"X-Add", b"added")),
    ("0000000e6900000000582d496e7330007600", InsertHeader(0, b"X-Ins0", b"v")),
    ("0000000969ffffffff58007600", InsertHeader(0xFFFFFFFF, b"X", b"v")),
    ("000000126d00000002582d41006368616e6765643200", ChangeHeader(2, b"X-A", b"changed2")),
    ("0000000a6d00000001582d410000", ChangeHeader(1, b"X-A", b"")),
    ("00000006626e65770d0a", ReplaceBody(b"new\r\n")),
    ("0000000162", ReplaceBody(b"")),
    ("0000000771766972757300", Quarantine(b"virus")),
    ("000000152b3c7573657233406578616d706c652e6f72673e00", AddRcpt(b"<user3@example.org>")),
    ("000000022b00", AddRcpt(b"")),
    ("000000152d3c7573657231406578616d706c652e6f72673e00", DelRcpt(b"<user1@example.org>")),
    (
        "0000001e323c75406578616d706c652e6f72673e004e4f544946593d4e4556455200",
        AddRcptPar(b"<u@example.org>", b"NOTIFY=NEVER"),
    ),
    ("00000007323c7540623e00", AddRcptPar(b"<u@b>", None)),
    ("00000008323c7540623e0000", AddRcptPar(b"<u@b>", b"")),
    (
        "0000002b653c6e6577406578616d706c652e636f6d3e005245543d4844525320454e5649443d653120464f4f3d3100",
        ChangeFrom(b"<new@example.com>", b"RET=HDRS ENVID=e1 FOO=1"),
    ),
    ("000000026500", ChangeFrom(b"", None)),
    ("0000000d4f000000060000011100100702", OptNeg(6, 0x111, 0x100702)),
    (
        "000000214f0000000600000111001007020000000569207b636c69656e745f616464727d00",
        OptNeg(6, 0x111, 0x100702, ((5, b"i {client_addr}"),)),
    ),
    (
        "000000184f000000060000011100000000000000006a000000006300",
        OptNeg(6, 0x111, 0, ((0, b"j"), (0x63, b""))),
    ),
]


def cut(data: str) -> tuple[int, bytes]:
    (packet,) = FrameReader().feed(bytes.fromhex(data))
    return packet


@pytest.mark.parametrize(("letter", "packet"), BARE)
def test_bare_replies(letter: str, packet: Packet) -> None:
    data = bytes.fromhex("00000001") + letter.encode()
    assert encode(packet) == data
    assert decode_reply(data[4], data[5:]) == packet


@pytest.mark.parametrize(("letter", "packet"), BARE)
def test_surplus_of_bare_replies_is_dropped(letter: str, packet: Packet) -> None:
    assert decode_reply(ord(letter), b"surplus\0") == packet


@pytest.mark.parametrize(("data", "packet"), EXAMPLES)
def test_examples(data: str, packet: Packet) -> None:
    assert decode_reply(*cut(data)) == packet
    assert encode(packet).hex() == data


def test_every_letter_has_an_example() -> None:
    letters = {packet.letter for _data, packet in EXAMPLES + BARE}
    assert letters == REPLY_LETTERS - {Reply.SETSYMLIST}


@pytest.mark.parametrize(
    ("letter", "payload", "what"),
    [
        ("Z", b"", "unknown reply 'Z'"),
        ("C", b"", "unknown reply 'C'"),
        ("l", b"\0\0\0\0j\0", "unknown reply 'l'"),
        ("O", b"", "0 bytes"),
        ("O", b"\0" * 11, "11 bytes"),
        ("O", b"\0" * 13, "symbol list"),
        ("O", b"\0" * 15, "symbol list"),
        ("O", b"\0" * 16, "symbol list"),
        ("O", b"\0" * 12 + b"\0\0\0\0j", "symbol list"),
        ("h", b"", "NUL"),
        ("h", b"X\0", "1 strings"),
        ("h", b"X\0v", "NUL"),
        ("h", b"X\0v\0junk", "NUL"),
        ("h", b"X\0v\0junk\0", "3 strings"),
        ("i", b"\0\0", "number of 4 bytes"),
        ("i", b"\0\0\0\0", "NUL"),
        ("i", b"\0\0\0\0X\0", "1 strings"),
        ("m", b"\0\0\0", "number of 4 bytes"),
        ("m", b"\0\0\0\x01X\0v\0\0", "3 strings"),
        ("+", b"", "NUL"),
        ("+", b"<a@b>", "NUL"),
        ("+", b"<a@b>\0<c@d>\0", "2 strings"),
        ("-", b"", "NUL"),
        ("-", b"<a@b>\0x", "NUL"),
        ("2", b"<a@b>\0A=1\0B=2\0", "3 strings"),
        ("2", b"", "NUL"),
        ("e", b"", "NUL"),
        ("e", b"<a@b>\0A=1\0B=2\0", "3 strings"),
    ],
)
def test_malformed_replies(letter: str, payload: bytes, what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=what) as refusal:
        decode_reply(ord(letter), payload)
    assert not isinstance(refusal.value, RemoteConfigError)


@pytest.mark.parametrize(
    ("letter", "payload"),
    [
        ("y", b""),
        ("y", b"550 no"),
        ("y", b"550 a\0b\0"),
        ("y", b"550 a\0\0"),
        ("h", b"\0v\0"),
        ("h", b"X: y\0v\0"),
        ("h", b"X:\0v\0"),
        ("h", b"X Y\0v\0"),
        ("h", b"X\nInjected\0v\0"),
        ("h", b"X\r\0v\0"),
        ("h", b"X\x7f\0v\0"),
        ("i", b"\0\0\0\0\0v\0"),
        ("i", b"\0\0\0\0X\nY\0v\0"),
        ("m", b"\0\0\0\x01\0v\0"),
        ("m", b"\0\0\0\x01X:\0\0"),
    ],
)
def test_replies_that_are_configuration_errors(letter: str, payload: bytes) -> None:
    with pytest.raises(RemoteConfigError):
        decode_reply(ord(letter), payload)


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"", b""), (b"\0", b""), (b"virus", b"virus"), (b"a\0b\0", b"a")]
)
def test_a_quarantine_reason_may_lack_its_nul(payload: bytes, reason: bytes) -> None:
    assert decode_reply(Reply.QUARANTINE, payload) == Quarantine(reason)


def test_eight_bit_header_names_pass() -> None:
    assert decode_reply(Reply.ADDHEADER, b"X-\xc3\xa9\0v\0") == AddHeader(b"X-\xc3\xa9", b"v")


def test_a_body_of_a_megabyte_is_read_and_not_written() -> None:
    packet = decode_reply(Reply.REPLBODY, bytes(1 << 20))
    assert packet == ReplaceBody(bytes(1 << 20))
    with pytest.raises(LocalProtocolError, match="1048576"):
        encode(packet)


@pytest.mark.parametrize(
    "packet",
    [
        ReplyCode(b"550 a\0b"),
        AddHeader(b"a\0", b""),
        InsertHeader(-1, b"a", b"b"),
        InsertHeader(1 << 32, b"a", b"b"),
        ChangeHeader(1, b"a", b"\0"),
        AddRcptPar(b"a", b"\0"),
        ChangeFrom(b"\0", None),
        Quarantine(b"\0"),
        OptNeg(6, 0, 0, ((-1, b"i"),)),
        OptNeg(6, 0, 0, ((1, b"i\0j"),)),
    ],
)
def test_values_that_have_no_place_in_a_packet(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        encode(packet)
