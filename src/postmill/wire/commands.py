"""What an MTA sends, one value class for each letter (protocol §2.1, §2.2).

Reading is strict: an MTA is trusted to be correct, and closing the connection triggers its own default
action (protocol §10.1). When a command may come belongs in ``wire.states``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import Command
from postmill.wire.fields import U16, Packet, exactly, one_string, pack_strings, strings
from postmill.wire.optneg import OptNeg, read_offer
from postmill.wire.symbols import Pairs

MACRO_COMMANDS = frozenset(b"CHMRTLNBEU")
"""Letters of the events that a macro packet can belong to."""

FAMILIES = frozenset({b"U", b"L", b"4", b"6"})


@dataclass(frozen=True, slots=True)
class Macro(Packet):
    """Macros for the event ``command`` (a letter) that follows; names as the MTA spells them."""

    letter: ClassVar[int] = Command.MACRO
    command: int
    pairs: Pairs = ()

    def payload(self) -> bytes:
        """Write the letter of the event and the pairs."""
        if self.command not in MACRO_COMMANDS:
            raise LocalProtocolError(f"macros cannot belong to command {self.command}")
        if not self.pairs:
            return bytes((self.command,))
        return bytes((self.command,)) + pack_strings(*(part for pair in self.pairs for part in pair))


@dataclass(frozen=True, slots=True)
class Connect(Packet):
    """A client connected. ``family`` is ``b"U"``, ``b"L"``, ``b"4"`` or ``b"6"``.

    ``address`` is a path for ``L`` and text of an address for ``4`` and ``6``: with or without ``IPv6:`` in
    front, or the word ``unknown``. ``U`` has neither port nor address.
    """

    letter: ClassVar[int] = Command.CONNECT
    host: bytes
    family: bytes = b"U"
    port: int = 0
    address: bytes = b""

    def payload(self) -> bytes:
        """Write host and family, and port and address where the family has them."""
        if self.family not in FAMILIES:
            raise LocalProtocolError(f"CONNECT: unknown address family {self.family!r}")
        head = pack_strings(self.host) + self.family
        if self.family == b"U":
            if self.port or self.address:
                raise LocalProtocolError("CONNECT: family U has neither port nor address")
            return head
        if not 0 <= self.port <= 0xFFFF:
            raise LocalProtocolError(f"CONNECT: port {self.port} does not fit into 16 bits")
        return head + U16.pack(self.port) + pack_strings(self.address)


@dataclass(frozen=True, slots=True)
class Helo(Packet):
    """HELO or EHLO with the name the client gave."""

    letter: ClassVar[int] = Command.HELO
    name: bytes

    def payload(self) -> bytes:
        """Write the name."""
        return pack_strings(self.name)


@dataclass(frozen=True, slots=True)
class Mail(Packet):
    """MAIL: the sender as the client typed it, and its ESMTP parameters, each a string of its own."""

    letter: ClassVar[int] = Command.MAIL
    address: bytes
    args: tuple[bytes, ...] = ()

    def payload(self) -> bytes:
        """Write address and parameters."""
        return pack_strings(self.address, *self.args)


@dataclass(frozen=True, slots=True)
class Rcpt(Packet):
    """RCPT: a recipient as the client typed it, and its ESMTP parameters, each a string of its own."""

    letter: ClassVar[int] = Command.RCPT
    address: bytes
    args: tuple[bytes, ...] = ()

    def payload(self) -> bytes:
        """Write address and parameters."""
        return pack_strings(self.address, *self.args)


@dataclass(frozen=True, slots=True)
class Data(Packet):
    """The client said DATA (or began BDAT)."""

    letter: ClassVar[int] = Command.DATA


@dataclass(frozen=True, slots=True)
class Header(Packet):
    """One header of the message; folds of the value are LF and the white space that was there."""

    letter: ClassVar[int] = Command.HEADER
    name: bytes
    value: bytes

    def payload(self) -> bytes:
        """Write name and value."""
        return pack_strings(self.name, self.value)


@dataclass(frozen=True, slots=True)
class Eoh(Packet):
    """The headers are complete."""

    letter: ClassVar[int] = Command.EOH


@dataclass(frozen=True, slots=True)
class Body(Packet):
    """A piece of the body, cut anywhere."""

    letter: ClassVar[int] = Command.BODY
    data: bytes

    def payload(self) -> bytes:
        """Return the piece as it is."""
        return self.data


@dataclass(frozen=True, slots=True)
class BodyEob(Packet):
    """The message is complete; ``data`` may be the last piece of its body, though no MTA uses that."""

    letter: ClassVar[int] = Command.BODYEOB
    data: bytes = b""

    def payload(self) -> bytes:
        """Return the piece as it is."""
        return self.data


@dataclass(frozen=True, slots=True)
class Abort(Packet):
    """Forget the message, if there is one."""

    letter: ClassVar[int] = Command.ABORT


@dataclass(frozen=True, slots=True)
class Quit(Packet):
    """The connection ends."""

    letter: ClassVar[int] = Command.QUIT


@dataclass(frozen=True, slots=True)
class QuitNc(Packet):
    """This SMTP session ends; another one may follow on the same connection."""

    letter: ClassVar[int] = Command.QUIT_NC


@dataclass(frozen=True, slots=True)
class Unknown(Packet):
    """The client sent a command that the MTA does not implement."""

    letter: ClassVar[int] = Command.UNKNOWN
    command: bytes

    def payload(self) -> bytes:
        """Write the text of the command."""
        return pack_strings(self.command)


CommandPacket = (
    OptNeg | Macro | Connect | Helo | Mail | Rcpt | Data | Header | Eoh
    | Body | BodyEob | Abort | Quit | QuitNc | Unknown
)  # fmt: skip
"""Every value that ``decode_command`` returns."""

_DATA, _EOH, _ABORT, _QUIT, _QUIT_NC = Data(), Eoh(), Abort(), Quit(), QuitNc()


def _macro(payload: bytes) -> Macro:
    return Macro(*read_macros(payload))


def read_macros(payload: bytes) -> tuple[int, Pairs]:
    """Return event and macros of a MACRO packet; raises RemoteProtocolError."""
    if not payload:
        raise RemoteProtocolError("MACRO: the letter of its event is missing")
    command = payload[0]
    if command not in MACRO_COMMANDS:
        raise RemoteProtocolError(f"MACRO: there is no event {chr(command)!r} with macros")
    if len(payload) == 1:
        return command, ()
    parts = strings(payload[1:], "MACRO")
    if len(parts) % 2:
        raise RemoteProtocolError("MACRO: a name without a value")
    return command, tuple(zip(parts[::2], parts[1::2], strict=True))


def _connect(payload: bytes) -> Connect:
    host, nul, rest = payload.partition(b"\0")
    family = rest[:1]
    if not nul or family not in FAMILIES:
        raise RemoteProtocolError(f"CONNECT: {family!r} where the address family belongs")
    if family == b"U":
        return Connect(host, family)  # what follows is ignored, as libmilter does
    if len(rest) < 4:
        raise RemoteProtocolError("CONNECT: port and address are missing")
    (port,) = U16.unpack_from(rest, 1)
    return Connect(host, family, port, one_string(rest[3:], "CONNECT"))


def _helo(payload: bytes) -> Helo:
    return Helo(one_string(payload, "HELO"))


def _mail(payload: bytes) -> Mail:
    address, *args = strings(payload, "MAIL")
    return Mail(address, tuple(args))


def _rcpt(payload: bytes) -> Rcpt:
    address, *args = strings(payload, "RCPT")
    return Rcpt(address, tuple(args))


def _header(payload: bytes) -> Header:
    name, value = exactly(2, payload, "HEADER")
    return Header(name, value)


def _data(payload: bytes) -> Data:
    if payload:
        raise RemoteProtocolError("DATA: it has no data of its own")
    return _DATA


def _eoh(payload: bytes) -> Eoh:
    if payload:
        raise RemoteProtocolError("EOH: it has no data of its own")
    return _EOH


def _unknown(payload: bytes) -> Unknown:
    return Unknown(one_string(payload, "UNKNOWN"))


COMMAND_READERS: dict[int, Callable[[bytes], CommandPacket]] = {
    Command.OPTNEG: read_offer,
    Command.MACRO: _macro,
    Command.CONNECT: _connect,
    Command.HELO: _helo,
    Command.MAIL: _mail,
    Command.RCPT: _rcpt,
    Command.DATA: _data,
    Command.HEADER: _header,
    Command.EOH: _eoh,
    Command.BODY: Body,
    Command.BODYEOB: BodyEob,
    Command.ABORT: lambda _ignored: _ABORT,
    Command.QUIT: lambda _ignored: _QUIT,
    Command.QUIT_NC: lambda _ignored: _QUIT_NC,
    Command.UNKNOWN: _unknown,
}
