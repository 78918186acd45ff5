"""What a filter sends, one value class for each letter (protocol §3.1 to §3.6).

How strict the reading is, is the last column of protocol §10.2: harmless surplus is tolerated, what would
change a message by accident is not. When a reply may come belongs in ``wire.states``; whether the text of
a ``y`` is a proper SMTP reply belongs in ``mail.reply``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from postmill.errors import RemoteConfigError
from postmill.wire.codes import Reply
from postmill.wire.fields import (
    Packet,
    exactly,
    header_name,
    number,
    one_string,
    pack_number,
    pack_strings,
    string_and_args,
)
from postmill.wire.optneg import OptNeg, read_answer


@dataclass(frozen=True, slots=True)
class Continue(Packet):
    """Go on."""

    letter: ClassVar[int] = Reply.CONTINUE


@dataclass(frozen=True, slots=True)
class Accept(Packet):
    """No more of this, please: of the connection at CONNECT and HELO, else of the message."""

    letter: ClassVar[int] = Reply.ACCEPT


@dataclass(frozen=True, slots=True)
class Reject(Packet):
    """Refuse for good, with the text of the MTA."""

    letter: ClassVar[int] = Reply.REJECT


@dataclass(frozen=True, slots=True)
class Tempfail(Packet):
    """Refuse for now, with the text of the MTA."""

    letter: ClassVar[int] = Reply.TEMPFAIL


@dataclass(frozen=True, slots=True)
class Discard(Packet):
    """Pretend to take the message, and throw it away."""

    letter: ClassVar[int] = Reply.DISCARD


@dataclass(frozen=True, slots=True)
class ReplyCode(Packet):
    """Refuse with this SMTP reply; percent signs in ``text`` are doubled, there is no NUL."""

    letter: ClassVar[int] = Reply.REPLYCODE
    text: bytes

    def payload(self) -> bytes:
        """Write the text and its NUL."""
        return pack_strings(self.text)


@dataclass(frozen=True, slots=True)
class Skip(Packet):
    """Go on, and send no more events of this type."""

    letter: ClassVar[int] = Reply.SKIP


@dataclass(frozen=True, slots=True)
class Progress(Packet):
    """Still at work; the verdict follows."""

    letter: ClassVar[int] = Reply.PROGRESS


@dataclass(frozen=True, slots=True)
class Shutdown(Packet):
    """Close the SMTP connection (internal to Sendmail, dangerous in Postfix: protocol §3.6)."""

    letter: ClassVar[int] = Reply.SHUTDOWN


@dataclass(frozen=True, slots=True)
class ConnFail(Packet):
    """Defined in header files, taken by no MTA (protocol §3.6)."""

    letter: ClassVar[int] = Reply.CONN_FAIL


@dataclass(frozen=True, slots=True)
class AddHeader(Packet):
    """Append a header."""

    letter: ClassVar[int] = Reply.ADDHEADER
    name: bytes
    value: bytes

    def payload(self) -> bytes:
        """Write name and value."""
        return pack_strings(self.name, self.value)


@dataclass(frozen=True, slots=True)
class InsertHeader(Packet):
    """Insert a header in front of the ``index``-th of all, counted from 0, the MTA's own included."""

    letter: ClassVar[int] = Reply.INSHEADER
    index: int
    name: bytes
    value: bytes

    def payload(self) -> bytes:
        """Write index, name and value."""
        return pack_number(self.index, "INSHEADER") + pack_strings(self.name, self.value)


@dataclass(frozen=True, slots=True)
class ChangeHeader(Packet):
    """Change the ``index``-th header of that name, counted from 1; an empty value deletes it."""

    letter: ClassVar[int] = Reply.CHGHEADER
    index: int
    name: bytes
    value: bytes

    def payload(self) -> bytes:
        """Write index, name and value."""
        return pack_number(self.index, "CHGHEADER") + pack_strings(self.name, self.value)


@dataclass(frozen=True, slots=True)
class ReplaceBody(Packet):
    """A piece of the new body; all pieces of one message together replace the old one."""

    letter: ClassVar[int] = Reply.REPLBODY
    data: bytes

    def payload(self) -> bytes:
        """Return the piece as it is."""
        return self.data


@dataclass(frozen=True, slots=True)
class AddRcpt(Packet):
    """Add a recipient."""

    letter: ClassVar[int] = Reply.ADDRCPT
    address: bytes

    def payload(self) -> bytes:
        """Write the address."""
        return pack_strings(self.address)


@dataclass(frozen=True, slots=True)
class AddRcptPar(Packet):
    """Add a recipient; ``args`` is one string with blanks between the ESMTP arguments, or None."""

    letter: ClassVar[int] = Reply.ADDRCPT_PAR
    address: bytes
    args: bytes | None = None

    def payload(self) -> bytes:
        """Write the address and, unless None, the arguments."""
        return pack_strings(self.address) if self.args is None else pack_strings(self.address, self.args)


@dataclass(frozen=True, slots=True)
class DelRcpt(Packet):
    """Remove a recipient, named as in the SMTP session."""

    letter: ClassVar[int] = Reply.DELRCPT
    address: bytes

    def payload(self) -> bytes:
        """Write the address."""
        return pack_strings(self.address)


@dataclass(frozen=True, slots=True)
class ChangeFrom(Packet):
    """Change the envelope sender; ``args`` is one string with blanks between the arguments, or None."""

    letter: ClassVar[int] = Reply.CHGFROM
    address: bytes
    args: bytes | None = None

    def payload(self) -> bytes:
        """Write the address and, unless None, the arguments."""
        return pack_strings(self.address) if self.args is None else pack_strings(self.address, self.args)


@dataclass(frozen=True, slots=True)
class Quarantine(Packet):
    """Hold the message; a verdict follows."""

    letter: ClassVar[int] = Reply.QUARANTINE
    reason: bytes

    def payload(self) -> bytes:
        """Write the reason."""
        return pack_strings(self.reason)


ReplyPacket = (
    OptNeg | Continue | Accept | Reject | Tempfail | Discard | ReplyCode
    | Skip | Progress | Shutdown | ConnFail
    | AddHeader | InsertHeader | ChangeHeader | ReplaceBody
    | AddRcpt | AddRcptPar | DelRcpt | ChangeFrom | Quarantine
)  # fmt: skip
"""Every value that ``decode_reply`` returns."""


def _bare(packet: ReplyPacket) -> Callable[[bytes], ReplyPacket]:
    """Surplus data of a reply without data is dropped: it changes nothing (protocol §10.2)."""
    return lambda _surplus: packet


def _replycode(payload: bytes) -> ReplyCode:
    if payload.find(b"\0") != len(payload) - 1 or not payload:
        raise RemoteConfigError("REPLYCODE: the text must end in its only NUL")
    return ReplyCode(payload[:-1])


def _addheader(payload: bytes) -> AddHeader:
    name, value = exactly(2, payload, "ADDHEADER")
    return AddHeader(header_name(name, "ADDHEADER"), value)


def _insheader(payload: bytes) -> InsertHeader:
    index = number(payload, "INSHEADER")
    name, value = exactly(2, payload[4:], "INSHEADER")
    return InsertHeader(index, header_name(name, "INSHEADER"), value)


def _chgheader(payload: bytes) -> ChangeHeader:
    index = number(payload, "CHGHEADER")
    name, value = exactly(2, payload[4:], "CHGHEADER")
    return ChangeHeader(index, header_name(name, "CHGHEADER"), value)


def _addrcpt(payload: bytes) -> AddRcpt:
    return AddRcpt(one_string(payload, "ADDRCPT"))


def _addrcpt_par(payload: bytes) -> AddRcptPar:
    return AddRcptPar(*string_and_args(payload, "ADDRCPT_PAR"))


def _delrcpt(payload: bytes) -> DelRcpt:
    return DelRcpt(one_string(payload, "DELRCPT"))


def _chgfrom(payload: bytes) -> ChangeFrom:
    return ChangeFrom(*string_and_args(payload, "CHGFROM"))


def _quarantine(payload: bytes) -> Quarantine:
    return Quarantine(payload.partition(b"\0")[0])  # the NUL may be missing (protocol §10.2)


REPLY_READERS: dict[int, Callable[[bytes], ReplyPacket]] = {
    Reply.OPTNEG: read_answer,
    Reply.CONTINUE: _bare(Continue()),
    Reply.ACCEPT: _bare(Accept()),
    Reply.REJECT: _bare(Reject()),
    Reply.TEMPFAIL: _bare(Tempfail()),
    Reply.DISCARD: _bare(Discard()),
    Reply.SKIP: _bare(Skip()),
    Reply.PROGRESS: _bare(Progress()),
    Reply.SHUTDOWN: _bare(Shutdown()),
    Reply.CONN_FAIL: _bare(ConnFail()),
    Reply.REPLYCODE: _replycode,
    Reply.ADDHEADER: _addheader,
    Reply.INSHEADER: _insheader,
    Reply.CHGHEADER: _chgheader,
    Reply.REPLBODY: ReplaceBody,
    Reply.ADDRCPT: _addrcpt,
    Reply.ADDRCPT_PAR: _addrcpt_par,
    Reply.DELRCPT: _delrcpt,
    Reply.CHGFROM: _chgfrom,
    Reply.QUARANTINE: _quarantine,
}
