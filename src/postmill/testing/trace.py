"""Packets as one line of text or as plain values, for people and programs that look on.

Here belongs the reading of both directions for display: it never fails, whatever the bytes. The words are
those of `words`.
"""

from __future__ import annotations

from postmill.errors import RemoteProtocolError
from postmill.testing.seen import Pairs, parse_macros
from postmill.testing.words import describe, shown, stage_name
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Action, Command, Protocol
from postmill.wire.packets import (
    Body,
    BodyEob,
    Connect,
    Header,
    OptNeg,
    ReplyPacket,
    decode_command,
    decode_reply,
)
from postmill.wire.packets import Packet as WirePacket

MAX_SHOWN = 200


def flag_names(flags: int, kind: type[Action] | type[Protocol]) -> str:
    """The names of the bits that are set, joined by ``|``; unknown bits as a number, none as ``0``.

    All of version 6 together are ``all``.
    """
    if flags == (ALL_ACTIONS if kind is Action else ALL_PROTOCOL):
        return "all"
    names = [flag.name or "" for flag in kind if flags & flag]
    rest = flags & ~sum(kind)
    return "|".join([*names, *([hex(rest)] if rest else [])]) or "0"


def macros_text(pairs: Pairs) -> str:
    """Macros as ``i=CF15 {mail_addr}=a@b``."""
    return " ".join(f"{shown(name)}={shown(value)}" for name, value in pairs)


def command_text(letter: int, payload: bytes) -> str:
    """What an MTA said, as one line: ``mail <a@example.com> SIZE=10``."""
    if letter == Command.MACRO:
        stage = stage_name(payload[0]) if payload else "?"
        return f"macros for {stage}: {macros_text(parse_macros(payload)) or '(none)'}"
    try:
        detail = _command_detail(decode_command(letter, payload))
    except RemoteProtocolError as fault:
        detail = f"{_raw(payload)} ({fault})"
    return f"{stage_name(letter)} {detail}".rstrip()


def reply_text(letter: int, payload: bytes) -> str:
    """What a filter said, as one line: ``add-header:X-A:1``."""
    try:
        packet: ReplyPacket = decode_reply(letter, payload)
    except RemoteProtocolError as fault:
        return f"{chr(letter)!r} {_raw(payload)} ({fault})"
    if isinstance(packet, OptNeg):
        return f"negotiate {_negotiation(packet)}"
    return describe(packet)


def _command_detail(packet: WirePacket) -> str:
    match packet:
        case OptNeg():
            return _negotiation(packet)
        case Connect(host, family, port, address):
            place = f" {shown(address)} port {port}" if address else ""
            return f"{shown(host)} family {family.decode()}{place}"
        case Header(name, value):
            return f"{shown(name)}: {shown(value)}"
        case Body(data) | BodyEob(data):
            return f"{len(data)} bytes: {_raw(data)}" if data else ""
        case _:
            return " ".join(shown(part) for part in packet.payload().split(b"\0")).rstrip()


def _negotiation(packet: OptNeg) -> str:
    lists = "".join(f" symlist {stage}={shown(names)!r}" for stage, names in packet.symlists)
    actions, protocol = flag_names(packet.actions, Action), flag_names(packet.protocol, Protocol)
    return f"version {packet.version} actions {actions} protocol {protocol}{lists}"


def _raw(data: bytes) -> str:
    text = shown(data[:MAX_SHOWN])
    return text + "…" if len(data) > MAX_SHOWN else text


def plain(value: bytes) -> str:
    """Bytes as text for JSON: UTF-8, other bytes as ``\\xNN``."""
    return value.decode("utf-8", "backslashreplace")
