"""Packets as values, and the three functions that turn them into bytes and back (protocol §2, §3).

    decode_command(letter, payload)   what an MTA sent
    decode_reply(letter, payload)     what a filter sent
    encode(packet)                    a complete packet, length included

The classes live in ``wire.commands``, ``wire.replies`` and ``wire.optneg``; import them from here.
"""

from __future__ import annotations

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import CHUNK
from postmill.wire.commands import (
    COMMAND_READERS,
    Abort,
    Body,
    BodyEob,
    CommandPacket,
    Connect,
    Data,
    Eoh,
    Header,
    Helo,
    Macro,
    Mail,
    Quit,
    QuitNc,
    Rcpt,
    Unknown,
)
from postmill.wire.fields import Packet
from postmill.wire.framing import frame
from postmill.wire.optneg import OptNeg
from postmill.wire.replies import (
    REPLY_READERS,
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
    Progress,
    Quarantine,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Skip,
    Tempfail,
)

__all__ = [
    "Abort",
    "Accept",
    "AddHeader",
    "AddRcpt",
    "AddRcptPar",
    "Body",
    "BodyEob",
    "ChangeFrom",
    "ChangeHeader",
    "CommandPacket",
    "ConnFail",
    "Connect",
    "Continue",
    "Data",
    "DelRcpt",
    "Discard",
    "Eoh",
    "Header",
    "Helo",
    "InsertHeader",
    "Macro",
    "Mail",
    "OptNeg",
    "Packet",
    "Progress",
    "Quarantine",
    "Quit",
    "QuitNc",
    "Rcpt",
    "Reject",
    "ReplaceBody",
    "ReplyCode",
    "ReplyPacket",
    "Shutdown",
    "Skip",
    "Tempfail",
    "Unknown",
    "decode_command",
    "decode_reply",
    "encode",
]


def decode_command(letter: int, payload: bytes) -> CommandPacket:
    """Read what an MTA sent; raises RemoteProtocolError for an unknown letter or a malformed payload."""
    reader = COMMAND_READERS.get(letter)
    if reader is None:
        raise RemoteProtocolError(f"unknown command {_show(letter)}")
    return reader(payload)


def decode_reply(letter: int, payload: bytes) -> ReplyPacket:
    """Read what a filter sent; raises RemoteProtocolError for an unknown letter or a malformed payload.

    Its subclass RemoteConfigError tells that an MTA would blame the configuration (protocol §7.3).
    """
    reader = REPLY_READERS.get(letter)
    if reader is None:
        raise RemoteProtocolError(f"unknown reply {_show(letter)}")
    return reader(payload)


def encode(packet: Packet) -> bytes:
    """Write a complete packet.

    Raises LocalProtocolError for what has no place in one: a NUL in a string, a number that is too large,
    more than 65535 bytes of data (protocol §1.2).
    """
    payload = packet.payload()
    if len(payload) > CHUNK:
        raise LocalProtocolError(f"{len(payload)} bytes of data, more than the {CHUNK} that every peer reads")
    return frame(packet.letter, payload)


def _show(letter: int) -> str:
    return repr(chr(letter)) if 0 <= letter <= 255 else str(letter)
