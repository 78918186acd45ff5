"""Framing: packets in, packets out, whatever the cuts; sizes refused before anything is read (protocol §1.1, §1.2)."""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.framing import FrameReader, frame


def test_the_smallest_packet() -> None:
    assert frame(ord("c")) == bytes.fromhex("0000000163")
    assert FrameReader().feed(bytes.fromhex("0000000163")) == [(ord("c"), b"")]


def test_several_packets_in_one_piece() -> None:
    data = frame(ord("M"), b"<>\0") + frame(ord("T")) + frame(ord("B"), b"x" * 70000)
    assert FrameReader().feed(data) == [(77, b"<>\0"), (84, b""), (66, b"x" * 70000)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 11, 1000])
def test_any_cut_gives_the_same_packets(size: int) -> None:
    data = frame(1) + frame(2, b"ab") + frame(3) + frame(255, bytes(2000)) + frame(4)
    reader, found = FrameReader(), []
    for start in range(0, len(data), size):
        found += reader.feed(data[start : start + size])
    assert found == [(1, b""), (2, b"ab"), (3, b""), (255, bytes(2000)), (4, b"")]
    assert reader.pending == 0
    reader.finish()


def test_a_large_packet_byte_by_byte_is_not_copied_again_and_again() -> None:
    data = frame(66, bytes(300_000))  # copying on each byte would be 45 gigabytes: the test would time out
    reader, found = FrameReader(), []
    for byte in data:
        found += reader.feed(bytes((byte,)))
    assert found == [(66, bytes(300_000))]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_payloads_are_bytes_whatever_came_in(kind: type) -> None:
    for pieces in ([frame(66, b"abc")], [frame(66, b"abc")[:6], frame(66, b"abc")[6:]], [frame(99)]):
        reader, found = FrameReader(), []
        for piece in pieces:
            found += reader.feed(kind(piece))
        ((letter, payload),) = found
        assert type(letter) is int
        assert type(payload) is bytes


def test_pending_counts_the_bytes_of_a_partial_packet() -> None:
    reader = FrameReader()
    assert reader.feed(frame(99) + b"\0\0\0\x05ab") == [(99, b"")]
    assert reader.pending == 6
    assert reader.feed(b"cde") == [(ord("a"), b"bcde")]
    assert reader.pending == 0


def test_the_end_of_the_stream_inside_a_packet_is_a_fault() -> None:
    reader = FrameReader()
    reader.feed(b"\0\0")
    with pytest.raises(RemoteProtocolError, match="inside a packet"):
        reader.finish()


def test_a_length_of_zero_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="length 0"):
        FrameReader().feed(b"\0\0\0\0")


@pytest.mark.parametrize("length", [101, 65536, 0x3FFFFFFF, 0xFFFFFFFF])
def test_too_long_a_packet_is_refused_by_its_length_field_alone(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="limit of 100"):
        FrameReader(limit=100).feed(length.to_bytes(4, "big"))


def test_the_limit_itself_is_allowed() -> None:
    data = frame(66, bytes(99))
    assert FrameReader(limit=100).feed(data) == [(66, bytes(99))]
    reader = FrameReader(limit=100)
    assert reader.feed(data[:4]) == []
    assert reader.feed(data[4:]) == [(66, bytes(99))]


def test_packets_before_a_bad_length_are_handed_out_first() -> None:
    reader = FrameReader()
    assert reader.feed(frame(114) + b"\0\0\0\0") == [(114, b"")]
    assert reader.pending == 4
    with pytest.raises(RemoteProtocolError, match="length 0"):
        reader.feed(b"")


def test_a_reader_stays_at_the_fault() -> None:
    reader = FrameReader()
    for data in (b"\0\0\0\0", b"\0\0\0\x01c", b""):
        with pytest.raises(RemoteProtocolError, match="length 0"):
            reader.feed(data)


@pytest.mark.parametrize("letter", [-1, 256])
def test_a_letter_is_one_byte(letter: int) -> None:
    with pytest.raises(LocalProtocolError):
        frame(letter)
