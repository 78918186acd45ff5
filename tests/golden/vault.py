"""Reads the recorded packets; what they are is in the docstring of this package."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Recorded:
    by: str  # "mta" or "filter"
    scenario: str
    data: bytes


@dataclass(frozen=True)
class Session:
    scenario: str
    filter: str
    packets: tuple[Recorded, ...]


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[tuple[bytes, tuple[str, ...]], ...]  # what was sent, and letter + hex payload of each answer


@dataclass(frozen=True)
class Shown:
    """What one filter was shown of a message, and its edits as packets."""

    leadspc: bool
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    edits: tuple[bytes, ...]


@dataclass(frozen=True)
class Edited:
    scenario: str
    filters: tuple[Shown, ...]
    delivered: bytes


def _lines(name: str) -> list[dict[str, Any]]:
    with (HERE / name).open() as file:
        return [json.loads(line) for line in file]


def _data(record: dict[str, str]) -> bytes:
    if "hex" in record:
        return bytes.fromhex(record["hex"])
    return zlib.decompress(base64.b64decode(record["zlib"]))


@cache
def packets() -> tuple[Recorded, ...]:
    return tuple(Recorded(line["by"], line["in"], _data(line)) for line in _lines("packets.jsonl"))


@cache
def sessions() -> tuple[Session, ...]:
    every = packets()
    return tuple(
        Session(line["in"], line["filter"], tuple(every[int(number)] for number in line["packets"].split()))
        for line in _lines("sessions.jsonl")
    )


@cache
def libmilter_cases() -> tuple[Case, ...]:
    return tuple(
        Case(line["case"], tuple((bytes.fromhex(sent), tuple(answers)) for sent, answers in line["steps"]))
        for line in _lines("libmilter.jsonl")
    )


@cache
def negotiations() -> tuple[tuple[str, bytes, bytes], ...]:
    return tuple(
        (line["milter"], bytes.fromhex(line["offer"]), bytes.fromhex(line["answer"] or ""))
        for line in _lines("optneg.jsonl")
    )


@cache
def edited_messages() -> tuple[Edited, ...]:
    return tuple(
        Edited(line["in"], tuple(map(_shown, line["filters"])), line["delivered"].encode("latin-1"))
        for line in _lines("edits.jsonl")
    )


def _shown(line: dict[str, Any]) -> Shown:
    return Shown(
        leadspc=line["leadspc"],
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in line["headers"]),
        body=line["body"].encode("latin-1"),
        edits=tuple(bytes.fromhex(edit) for edit in line["edits"]),
    )
