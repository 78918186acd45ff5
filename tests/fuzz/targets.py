"""What is fuzzed: each target turns arbitrary bytes into a value, or raises one of the errors it may raise.

The invariant of all of them is the same sentence: a value or one of two errors, never anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from postmill.conditions import shelf
from postmill.config import parse
from postmill.errors import ConfigError, EndpointError, LocalProtocolError, RemoteProtocolError
from postmill.mail.body import replacement
from postmill.mail.headers import normalise
from postmill.mail.reply import check_reply_text, reply_class, smtp_text
from postmill.migration.importing import import_texts
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, CHUNK, VERSION_PROTOCOL
from postmill.wire.endpoint import parse_endpoint
from postmill.wire.framing import FrameReader
from postmill.wire.packets import Continue, OptNeg, Packet, decode_command, decode_reply, encode
from postmill.wire.states import FilterRole, MtaRole


@dataclass(frozen=True)
class Target:
    """A function under attack, the errors it may raise, and packets to begin with."""

    attack: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    speaks: str = ""  # "mta" or "filter": whose packets are good seeds


def pieces(data: bytes) -> list[bytes]:
    """Cut the bytes at places that the bytes themselves decide."""
    found, position = [], 0
    while position < len(data):
        size = 1 + data[position] % 23
        found.append(data[position : position + size])
        position += size
    return found


def framing(data: bytes) -> object:
    reader, found = FrameReader(limit=CHUNK), []
    for piece in pieces(data):
        found += reader.feed(piece)
    assert sum(5 + len(payload) for _letter, payload in found) + reader.pending == len(data)
    reader.finish()
    return found


def reread(packet: Packet, decode: Callable[[int, bytes], Packet]) -> object:
    """What was read can be written, and read again as the same."""
    with suppress(LocalProtocolError):  # longer than we would write
        written = encode(packet)
        assert decode(written[4], written[5:]) == packet
    return packet


def command(data: bytes) -> object:
    return reread(decode_command(data[0] if data else 0, data[1:]), decode_command)


def reply(data: bytes) -> object:
    return reread(decode_reply(data[0] if data else 0, data[1:]), decode_reply)


def mta_role(data: bytes) -> object:
    """We are the MTA; the first byte decides what the filter is asked, the rest is what it answers."""
    role = MtaRole()
    role.send(OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL))
    role.receive_data(encode(OptNeg(6, ALL_ACTIONS, data[0] % 4 * 0x400 if data else 0)))
    list(role.events())
    session = ("43680055", "487800", "4d3c3e00", "523c613e00", "54", "4c530073 00", "4e", "4278", "45")
    for packet in session[: (data[1] if len(data) > 1 else 0) % 10]:
        raw = bytes.fromhex(packet)
        role.send(decode_command(raw[0], raw[1:]))
        if len(role.awaiting) > (data[2] if len(data) > 2 else 0) % 4:
            role.receive_data(encode(Continue()))
    for piece in pieces(data[3:]):
        role.receive_data(piece)
        list(role.events())
    role.receive_eof()
    return list(role.events())


def filter_role(data: bytes) -> object:
    """We are the filter; everything is what the MTA says, and we answer as long as we may."""
    role = FilterRole()
    for piece in pieces(data):
        role.receive_data(piece)
        for packet in role.events():
            if isinstance(packet, OptNeg):
                version = max(version for version in VERSION_PROTOCOL if version <= packet.version)
                role.send(OptNeg(version, packet.actions & ALL_ACTIONS, 0))
            elif role.awaiting and data[0] % 3:
                role.send(Continue())
    role.receive_eof()
    return list(role.events())


def reply_text(data: bytes) -> object:
    text = check_reply_text(data)
    assert reply_class(text) in (4, 5)
    assert b"\n" not in smtp_text(text).replace(b"\r\n", b"")
    return text


def header_value(data: bytes) -> object:
    text = normalise(data, leadspc=False)
    assert all(line[:1] in (b" ", b"\t") for line in text.split(b"\n"))
    return text


def body(data: bytes) -> object:
    whole = replacement([data])
    assert replacement(pieces(data)) == whole
    return whole


def endpoint(data: bytes) -> object:
    found = parse_endpoint(data.decode("utf-8", "surrogateescape"))
    assert parse_endpoint(str(found)) == found
    return found


def milter_manager(data: bytes) -> object:
    imported = import_texts({"old.conf": data.decode("utf-8", "replace")}, SHELF)
    parse("new.toml", imported.toml, SHELF)
    return imported


SHELF = shelf()
PROTOCOL = (RemoteProtocolError, LocalProtocolError)

TARGETS: dict[str, Target] = {
    "framing": Target(framing, (RemoteProtocolError,)),
    "command": Target(command, (RemoteProtocolError,), "mta"),
    "reply": Target(reply, (RemoteProtocolError,), "filter"),
    "mta_role": Target(mta_role, PROTOCOL, "filter"),
    "filter_role": Target(filter_role, PROTOCOL, "mta"),
    "reply_text": Target(reply_text, (RemoteProtocolError,)),
    "header_value": Target(header_value, ()),
    "body": Target(body, ()),
    "endpoint": Target(endpoint, (EndpointError,)),
    "milter_manager": Target(milter_manager, (ConfigError,)),
}


def survive(name: str, data: bytes) -> bool:
    """Attack a target; tells whether it gave a value. Any error that it may not raise passes through."""
    target = TARGETS[name]
    try:
        target.attack(data)
    except target.errors:
        return False
    return True
