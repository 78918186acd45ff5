"""The small parts that payloads are made of: NUL-ended strings and big-endian numbers (protocol §1.1).

Reading raises RemoteProtocolError, writing LocalProtocolError. What the parts mean belongs to the packets.
"""

from __future__ import annotations

from struct import Struct
from typing import ClassVar

from postmill.errors import LocalProtocolError, RemoteConfigError, RemoteProtocolError

U16 = Struct(">H")
U32 = Struct(">I")
U32_MAX = 0xFFFFFFFF

_BAD_NAME_BYTES = bytes(range(33)) + b":\x7f"


class Packet:
    """A packet as a value: a class for each letter, a field for each part of the payload."""

    __slots__ = ()
    letter: ClassVar[int]

    def payload(self) -> bytes:
        """The data after the code byte; raises LocalProtocolError for values that have no place in it."""
        return b""


def strings(payload: bytes, what: str) -> list[bytes]:
    """Cut a payload that consists of one or more NUL-ended strings and nothing else."""
    if not payload.endswith(b"\0"):
        raise RemoteProtocolError(f"{what}: the NUL at the end is missing")
    return payload[:-1].split(b"\0")


def one_string(payload: bytes, what: str) -> bytes:
    """Take the single NUL-ended string of a payload."""
    (value,) = exactly(1, payload, what)
    return value


def exactly(count: int, payload: bytes, what: str) -> list[bytes]:
    """Cut a payload that must consist of ``count`` strings."""
    parts = strings(payload, what)
    if len(parts) != count:
        raise RemoteProtocolError(f"{what}: {len(parts)} strings instead of {count}")
    return parts


def string_and_args(payload: bytes, what: str) -> tuple[bytes, bytes | None]:
    """Take an address and, if it is there, the one string with its ESMTP arguments (protocol §3.1)."""
    parts = strings(payload, what)
    if len(parts) > 2:
        raise RemoteProtocolError(f"{what}: {len(parts)} strings instead of 1 or 2")
    return parts[0], parts[1] if len(parts) == 2 else None


def number(payload: bytes, what: str) -> int:
    """Take the 32-bit number that a payload begins with."""
    if len(payload) < 4:
        raise RemoteProtocolError(f"{what}: {len(payload)} bytes where a number of 4 bytes belongs")
    (value,) = U32.unpack_from(payload)
    return int(value)


def header_name(name: bytes, what: str) -> bytes:
    """Check the name of a header that a filter adds or changes (protocol §3.4, §10.2).

    Raises RemoteConfigError for an empty name and for one that would not stay a name in the message:
    with a colon, a blank or a control character.
    """
    if not name:
        raise RemoteConfigError(f"{what}: the header name is empty")
    if len(name) != len(name.translate(None, _BAD_NAME_BYTES)):
        raise RemoteConfigError(f"{what}: {name!r} is not a header name")
    return name


def pack_strings(*values: bytes) -> bytes:
    """Write strings one after the other, each with its NUL."""
    for value in values:
        if b"\0" in value:
            raise LocalProtocolError(f"a string on the wire cannot hold a NUL: {value[:80]!r}")
    return b"\0".join((*values, b""))


def pack_number(value: int, what: str) -> bytes:
    """Write a 32-bit number."""
    if not 0 <= value <= U32_MAX:
        raise LocalProtocolError(f"{what}: {value} does not fit into 32 bits")
    return U32.pack(value)
