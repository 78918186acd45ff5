"""Laws of packets: written and read again they are the same, however the bytes are cut (protocol §1.1)."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from postmill.errors import RemoteProtocolError
from postmill.wire.framing import FrameReader, frame
from postmill.wire.packets import CommandPacket, ReplyPacket, decode_command, decode_reply, encode
from tests.properties.strategies import commands, replies


@given(commands)
def test_a_command_written_and_read_is_the_same(packet: CommandPacket) -> None:
    ((letter, payload),) = FrameReader().feed(encode(packet))
    assert decode_command(letter, payload) == packet


@given(replies)
def test_a_reply_written_and_read_is_the_same(packet: ReplyPacket) -> None:
    ((letter, payload),) = FrameReader().feed(encode(packet))
    assert decode_reply(letter, payload) == packet


def outcome(pieces: list[bytes], limit: int) -> tuple[list[tuple[int, bytes]], str]:
    """All packets of a stream, and the fault it ends in."""
    reader, found = FrameReader(limit), []
    try:
        for piece in pieces:
            found += reader.feed(piece)
        found += reader.feed(b"")
        reader.finish()
    except RemoteProtocolError as fault:
        return found, str(fault)
    return found, ""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


streams = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=12)
places = st.lists(st.integers(0, 1000), max_size=30)


@given(streams, places)
def test_any_cut_gives_the_same_packets(packets: list[tuple[int, bytes]], places: list[int]) -> None:
    data = b"".join(frame(letter, payload) for letter, payload in packets)
    assert outcome(cut(data, places), 1000) == (packets, "")


@given(streams, st.binary(max_size=30), places)
def test_any_cut_of_garbage_gives_the_same_packets_and_the_same_fault(
    packets: list[tuple[int, bytes]], garbage: bytes, places: list[int]
) -> None:
    data = b"".join(frame(letter, payload) for letter, payload in packets) + garbage
    whole = outcome([data], 50)
    assert outcome(cut(data, places), 50) == whole
    assert outcome([data[i : i + 1] for i in range(len(data))], 50) == whole
