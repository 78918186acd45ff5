"""The packets in docs/protocol.md are what the text says: read, refused or tolerated, and written again."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from postmill.errors import RemoteConfigError, RemoteProtocolError
from postmill.wire.codes import COMMAND_LETTERS, REPLY_LETTERS, Reply
from postmill.wire.framing import FrameReader
from postmill.wire.packets import Packet, decode_command, decode_reply, encode
from tests.docs.citations import PROTOCOL

BLOCK = re.compile(r"^```packets (mta|filter) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    by: str
    expected: str  # "", "refused", "configuration" or "tolerated"
    data: bytes
    text: str

    def decode(self) -> Packet:
        ((letter, payload),) = FrameReader().feed(self.data)
        return (decode_command if self.by == "mta" else decode_reply)(letter, payload)


def examples() -> list[Example]:
    found = []
    for by, expected, lines in BLOCK.findall(PROTOCOL.read_text(encoding="utf-8")):
        for line in lines.splitlines():
            packet, _, text = line.partition(" ")
            found.append(Example(by, expected, bytes.fromhex(packet), text.strip()))
    return found


def of_kind(*expected: str) -> list[Example]:
    return [example for example in examples() if example.expected in expected]


@pytest.mark.parametrize("example", of_kind(""), ids=lambda example: example.data.hex()[:40])
def test_examples_are_read_and_written_again(example: Example) -> None:
    assert encode(example.decode()) == example.data


@pytest.mark.parametrize("example", of_kind("refused", "configuration"), ids=lambda example: example.text)
def test_examples_that_are_refused(example: Example) -> None:
    ((letter, payload),) = FrameReader().feed(example.data)
    with pytest.raises(RemoteProtocolError) as refusal:
        (decode_command if example.by == "mta" else decode_reply)(letter, payload)
    assert isinstance(refusal.value, RemoteConfigError) is (example.expected == "configuration")


@pytest.mark.parametrize("example", of_kind("tolerated"), ids=lambda example: example.text)
def test_examples_that_are_tolerated(example: Example) -> None:
    assert encode(example.decode()) != example.data


def test_every_letter_has_an_example() -> None:
    good = of_kind("")
    assert {e.data[4] for e in good if e.by == "mta"} == COMMAND_LETTERS
    assert {e.data[4] for e in good if e.by == "filter"} == REPLY_LETTERS - {Reply.SETSYMLIST}


def test_no_kind_of_example_is_overlooked() -> None:
    assert {example.expected for example in examples()} == {"", "refused", "configuration", "tolerated"}
    assert PROTOCOL.read_text(encoding="utf-8").count("```packets") == len(
        BLOCK.findall(PROTOCOL.read_text(encoding="utf-8"))
    )
