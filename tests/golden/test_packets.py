"""Every recorded packet is read; well-formed ones come out unchanged (protocol §1.1, §2, §3, §10.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postmill.errors import LocalProtocolError, RemoteConfigError, RemoteProtocolError
from postmill.mail.reply import check_reply_text
from postmill.wire.codes import COMMAND_LETTERS, REPLY_LETTERS
from postmill.wire.framing import FrameReader
from postmill.wire.packets import (
    Accept,
    AddHeader,
    Continue,
    OptNeg,
    Packet,
    Progress,
    Quarantine,
    ReplaceBody,
    ReplyCode,
    decode_command,
    decode_reply,
    encode,
)
from tests.golden.vault import Recorded, negotiations, packets

PROTOCOL_FAULT = {
    "00000000": "length 0",
    "3fffffff63": "a c that claims a gigabyte",
    "ffffffff63": "the greatest length there is",
    "000000015a": "unknown letter Z",
    "000000076c000000026a00": "symbol list as a reply of its own",
    "0000000568582d4100": "h with one string",
    "0000000868582d410076616c": "h without the NUL at the end",
    "0000000968580076006a756e6b": "h with bytes left over",
    "00000003690000": "i without a whole index",
    "000000142b3c7573657232406578616d706c652e6f72673e": "+ without the NUL",
    "000000292b3c7573657232406578616d706c652e6f72673e003c7573657233406578616d706c652e6f72673e00": "+ twice",
    "0000001d323c7573657232406578616d706c652e6f72673e00413d3100423d3200": "2 with three strings",
    "000000094f00000006000001ff": "negotiation of 8 bytes",
    "000000124f00000006000001ff00000000000000026a": "symbol list without the NUL",
    "000000164f00000006000001ff00000000000000026a00000000": "three bytes behind a symbol list",
}
CONFIG_FAULT = {
    "0000000179": "y without text",
    "0000000c7935353020352e372e312078": "y without the NUL",
    "0000000f7935353020352e372e312061006200": "y with a NUL inside",
    "0000000468007600": "h with an empty name",
    "0000000868583a2079007600": "h with a colon in the name",
    "000000086d00000001007600": "m with an empty name",
}
TOLERATED: dict[str, Packet] = {
    "000000026300": Continue(),
    "000000026378": Continue(),
    "00000003617a7a": Accept(),
    "000000027078": Progress(),
    "0000000171": Quarantine(b""),
    "0000000771726561736f6e": Quarantine(b"reason"),
}
FRAGMENTS = {"00", "01", "63", "0000"}  # parts of packets, sent alone to annoy the MTA
TOO_LONG_TO_WRITE = {b"b": 1080000, b"h": 120008}  # read, but never written by us
BAD_REPLY_TEXT = {
    b"": "no text",
    b"250 2.0.0 ok": "no refusal",
    b"350 x": "no refusal",
    b"600 x": "no refusal",
    b"550": "no blank",
    b"550 4.7.1 mism": "class of the enhanced code",
    b"450 5.7.1 mism": "class of the enhanced code",
    b"550-5.7.1 line one\r\n451 4.7.1 last": "two codes",
    b"550-5.7.1 line one\n550 5.7.1 last": "line ends",
    b"550-5.7.1 only dash": "no last line",
    b"550 5.7.1 x\r\n": "an empty line at the end",
}


def decode(by: str) -> Callable[[int, bytes], Packet]:
    return decode_command if by == "mta" else decode_reply


def cut(data: bytes) -> list[tuple[int, bytes]]:
    reader = FrameReader()
    found = reader.feed(data)
    assert reader.pending == 0
    return found


def well_formed() -> list[Recorded]:
    special = set().union(PROTOCOL_FAULT, CONFIG_FAULT, TOLERATED, FRAGMENTS)
    return [record for record in packets() if record.data.hex() not in special]


def test_there_are_as_many_as_were_recorded() -> None:
    assert len(packets()) == 2814
    assert len(well_formed()) == 2814 - 15 - 6 - 6 - 4


def test_well_formed_packets_come_out_as_the_same_bytes() -> None:
    too_long = {}
    for record in well_formed():
        ((letter, payload),) = cut(record.data)
        assert letter in (COMMAND_LETTERS if record.by == "mta" else REPLY_LETTERS)
        packet = decode(record.by)(letter, payload)
        assert packet.letter == letter
        try:
            assert encode(packet) == record.data, record
        except LocalProtocolError:
            too_long[bytes((letter,))] = len(payload)
            assert isinstance(packet, ReplaceBody | AddHeader)
    assert too_long == TOO_LONG_TO_WRITE


@pytest.mark.parametrize(("data", "what"), PROTOCOL_FAULT.items(), ids=PROTOCOL_FAULT.values())
def test_malformed_packets_are_refused(data: str, what: str) -> None:
    assert recorded(data)
    with pytest.raises(RemoteProtocolError) as refusal:
        [decode_reply(letter, payload) for letter, payload in cut(bytes.fromhex(data))]
    assert type(refusal.value) is RemoteProtocolError


@pytest.mark.parametrize(("data", "what"), CONFIG_FAULT.items(), ids=CONFIG_FAULT.values())
def test_packets_that_are_configuration_errors(data: str, what: str) -> None:
    assert recorded(data)
    ((letter, payload),) = cut(bytes.fromhex(data))
    with pytest.raises(RemoteConfigError):
        decode_reply(letter, payload)


@pytest.mark.parametrize(("data", "packet"), TOLERATED.items())
def test_harmless_deviations_are_tolerated_and_not_passed_on(data: str, packet: Packet) -> None:
    assert recorded(data)
    ((letter, payload),) = cut(bytes.fromhex(data))
    assert decode_reply(letter, payload) == packet
    assert encode(packet).hex() != data


def test_reply_texts() -> None:
    refused = set()
    for record in well_formed():
        if record.data[4:5] == b"y":
            payload = record.data[5:]
            packet = decode_reply(record.data[4], payload)
            assert packet == ReplyCode(payload[:-1])
            try:
                check_reply_text(payload)
            except RemoteConfigError:
                refused.add(payload[:-1])
    assert refused == set(BAD_REPLY_TEXT)


def test_negotiations_of_real_filters() -> None:
    for milter, offered, answered in negotiations():
        offer = decode_command(*cut(offered)[0])
        answer = decode_reply(*cut(answered)[0])
        assert isinstance(offer, OptNeg), milter
        assert isinstance(answer, OptNeg), milter
        assert answer.version <= offer.version
        assert not answer.actions & ~offer.actions
        assert encode(answer) == answered


def recorded(data: str) -> bool:
    return any(record.data.hex() == data for record in packets())
