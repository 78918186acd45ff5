"""Commands, byte by byte (protocol §2.2, §10.1)."""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import COMMAND_LETTERS
from postmill.wire.framing import FrameReader
from postmill.wire.packets import (
    Abort,
    Body,
    BodyEob,
    Connect,
    Continue,
    Data,
    Eoh,
    Header,
    Helo,
    Macro,
    Mail,
    OptNeg,
    Packet,
    Quit,
    QuitNc,
    Rcpt,
    Unknown,
    decode_command,
    encode,
)

EXAMPLES: list[tuple[str, Packet]] = [
    ("0000000d4f00000006000001ff001fffff", OptNeg(6, 0x1FF, 0x1FFFFF)),
    ("0000001044546900434631354532334533433200", Macro(ord("T"), ((b"i", b"CF15E23E3C2"),))),
    ("000000024448", Macro(ord("H"))),
    ("0000000844526d0000620000", Macro(ord("R"), ((b"m", b""), (b"b", b"")))),
    (
        "00000018436c6f63616c686f73740034e5243132372e302e302e3100",
        Connect(b"localhost", b"4", 58660, b"127.0.0.1"),
    ),
    ("0000000e435b3a3a315d0036a5d63a3a3100", Connect(b"[::1]", b"6", 42454, b"::1")),
    (
        "00000030435b495076363a303a303a303a303a303a303a303a315d0036d3e0495076363a303a303a303a303a303a303a303a3100",
        Connect(b"[IPv6:0:0:0:0:0:0:0:1]", b"6", 54240, b"IPv6:0:0:0:0:0:0:0:1"),
    ),
    ("0000001443756e6b6e6f776e0034cb76756e6b6e6f776e00", Connect(b"unknown", b"4", 52086, b"unknown")),
    ("0000000a43756e6b6e6f776e0055", Connect(b"unknown", b"U")),
    (
        "0000001a436c6f63616c686f7374004c00002f72756e2f782e736f636b00",
        Connect(b"localhost", b"L", 0, b"/run/x.sock"),
    ),
    ("0000001448636c69656e742e6578616d706c652e636f6d00", Helo(b"client.example.com")),
    ("000000114d3c61406578616d706c652e636f6d3e00", Mail(b"<a@example.com>")),
    ("000000044d3c3e00", Mail(b"<>")),
    ("000000024d00", Mail(b"")),
    (
        "000000294d3c61406578616d706c652e636f6d3e0053495a453d3130303000424f44593d384249544d494d4500",
        Mail(b"<a@example.com>", (b"SIZE=1000", b"BODY=8BITMIME")),
    ),
    ("00000015523c7573657231406578616d706c652e6f72673e00", Rcpt(b"<user1@example.org>")),
    ("0000000154", Data()),
    ("0000000f4c5375626a6563740068656c6c6f00", Header(b"Subject", b"hello")),
    ("0000000a4c582d456d7074790000", Header(b"X-Empty", b"")),
    ("000000014e", Eoh()),
    ("00000015426c696e65206f6e650d0a6c696e652074776f0d0a", Body(b"line one\r\nline two\r\n")),
    ("000000054200ff0a0d", Body(b"\0\xff\n\r")),
    ("0000000145", BodyEob()),
    ("00000003456869", BodyEob(b"hi")),
    ("0000000141", Abort()),
    ("0000000151", Quit()),
    ("000000014b", QuitNc()),
    ("000000075558595a5a5900", Unknown(b"XYZZY")),
]


def cut(data: str) -> tuple[int, bytes]:
    (packet,) = FrameReader().feed(bytes.fromhex(data))
    return packet


@pytest.mark.parametrize(("data", "packet"), EXAMPLES)
def test_examples(data: str, packet: Packet) -> None:
    assert decode_command(*cut(data)) == packet
    assert encode(packet).hex() == data


def test_every_letter_has_an_example() -> None:
    assert {packet.letter for _data, packet in EXAMPLES} == COMMAND_LETTERS


@pytest.mark.parametrize(
    ("letter", "payload", "what"),
    [
        ("Z", b"", "unknown command 'Z'"),
        ("c", b"", "unknown command 'c'"),
        ("O", b"\0" * 11, "11 bytes"),
        ("D", b"", "letter of its event"),
        ("D", b"Aj\0x\0", "no event 'A'"),
        ("D", b"Oj\0x\0", "no event 'O'"),
        ("D", b"Cj\0x", "NUL"),
        ("D", b"Cj\0", "without a value"),
        ("C", b"", "address family"),
        ("C", b"host", "address family"),
        ("C", b"host\0", "address family"),
        ("C", b"host\0X\0\0a\0", "address family"),
        ("C", b"host\x004", "port and address"),
        ("C", b"host\x004\0\x19", "port and address"),
        ("C", b"host\x004\0\x19127.0.0.1", "NUL"),
        ("C", b"host\x004\0\x19127.0.0.1\0x\0", "2 strings"),
        ("H", b"", "NUL"),
        ("H", b"name", "NUL"),
        ("H", b"name\0more\0", "2 strings"),
        ("M", b"", "NUL"),
        ("M", b"<a@b>", "NUL"),
        ("R", b"", "NUL"),
        ("R", b"<a@b>\0NOTIFY=NEVER", "NUL"),
        ("T", b"x", "no data"),
        ("L", b"", "NUL"),
        ("L", b"Subject\0", "1 strings"),
        ("L", b"Subject\0value", "NUL"),
        ("L", b"a\0b\0c\0", "3 strings"),
        ("N", b"\0", "no data"),
        ("U", b"", "NUL"),
        ("U", b"XYZZY", "NUL"),
    ],
)
def test_malformed_commands(letter: str, payload: bytes, what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=what):
        decode_command(ord(letter), payload)


@pytest.mark.parametrize(
    ("letter", "payload", "packet"),
    [
        ("O", bytes.fromhex("00000006000001ff001fffff") + b"junk", OptNeg(6, 0x1FF, 0x1FFFFF)),
        ("C", b"host\0U\0\x19surplus\0", Connect(b"host", b"U")),
        ("A", b"surplus", Abort()),
        ("Q", b"surplus", Quit()),
        ("K", b"surplus", QuitNc()),
    ],
)
def test_surplus_that_libmilter_ignores_is_ignored(letter: str, payload: bytes, packet: Packet) -> None:
    assert decode_command(ord(letter), payload) == packet


@pytest.mark.parametrize("letter", [-1, 256, 1000])
def test_letters_that_are_no_bytes(letter: int) -> None:
    with pytest.raises(RemoteProtocolError, match=str(letter)):
        decode_command(letter, b"")


@pytest.mark.parametrize(
    "packet",
    [
        OptNeg(-1, 0, 0),
        OptNeg(6, 1 << 32, 0),
        Macro(ord("A")),
        Macro(ord("C"), ((b"j\0", b"x"),)),
        Connect(b"h\0", b"U"),
        Connect(b"h", b"5", 25, b"x"),
        Connect(b"h", b"U", 25, b""),
        Connect(b"h", b"U", 0, b"x"),
        Connect(b"h", b"4", 65536, b"127.0.0.1"),
        Connect(b"h", b"4", -1, b"127.0.0.1"),
        Connect(b"h", b"4", 25, b"127.0.0.1\0"),
        Helo(b"a\0b"),
        Mail(b"<>", (b"A=\0",)),
        Rcpt(b"\0"),
        Header(b"a", b"b\0"),
        Header(b"a", b"b" * 65534),
        Body(b"x" * 65536),
        Unknown(b"\0"),
    ],
)
def test_values_that_have_no_place_in_a_packet(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        encode(packet)


def test_the_largest_body_packet() -> None:
    assert encode(Body(b"x" * 65535))[:5] == bytes.fromhex("0001000042")


def test_eight_bit_bytes_pass() -> None:
    every_byte = bytes(range(1, 256))
    for packet in (
        Helo(every_byte),
        Mail(every_byte, (every_byte,)),
        Header(every_byte, every_byte),
        Unknown(every_byte),
    ):
        data = encode(packet)
        assert decode_command(data[4], data[5:]) == packet


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Helo(b"x").name = b"y"  # type: ignore[misc]
    assert not hasattr(Continue(), "__dict__")
