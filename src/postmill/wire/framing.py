"""Packets on a byte stream: a length, a letter, a payload (protocol §1.1, §1.2).

The reader yields plain ``(letter, payload)`` pairs, so that a packet nobody needs to understand can be
passed on as it came. What a payload means belongs in ``wire.packets``.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812

from postmill.errors import LocalProtocolError, RemoteProtocolError

DEFAULT_LIMIT = 64 * 1024 * 1024
"""Most bytes (code byte counted) of a packet that is read; protocol §1.2 tells what others take."""

_LENGTH = Struct(">I")
_HEAD = Struct(">IB")


def frame(letter: int, payload: bytes = b"") -> bytes:
    """Return the complete packet for a code byte and its data.

    Raises LocalProtocolError for a letter that is no byte, and for data whose length has no place in 32 bits.
    """
    try:
        return _HEAD.pack(len(payload) + 1, letter) + payload
    except StructError:
        if not 0 <= letter <= 255:
            raise LocalProtocolError(f"a packet letter is one byte, not {letter}") from None
        raise LocalProtocolError(f"{len(payload)} bytes do not fit into one packet") from None


class FrameReader:
    """Cuts a byte stream into packets, whatever way the stream arrives in pieces.

    Good packets in front of a bad length are handed out first; the error comes with the next call. So the
    packets and the error do not depend on how the stream was cut.
    """

    __slots__ = ("_limit", "_need", "_tail", "pending")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        """Take packets of at most ``limit`` bytes (letter and data, length field not counted)."""
        self._limit = limit
        self._tail = bytearray()
        self._need = 4
        self.pending = 0
        """Bytes held back because their packet is not complete (or is faulty)."""

    def feed(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the packets that ``data`` completes.

        Raises RemoteProtocolError for a length of zero or above the limit, as soon as the length is known.
        """
        if self.pending:
            self._tail += data
            self.pending = len(self._tail)
            if self.pending < self._need:
                return []
            data = bytes(self._tail)
        elif type(data) is not bytes:
            data = bytes(data)
        return self._cut(data)

    def finish(self) -> None:
        """Say that the stream ended; raises RemoteProtocolError when it ended inside a packet."""
        if self.pending:
            raise RemoteProtocolError(
                f"the connection closed inside a packet, after {self.pending} of its bytes"
            )

    def _cut(self, data: bytes) -> list[tuple[int, bytes]]:
        packets: list[tuple[int, bytes]] = []
        append, unpack, limit = packets.append, _HEAD.unpack_from, self._limit
        position, end, need = 0, len(data), 4
        while end - position > 4:
            length, letter = unpack(data, position)
            if not length or length > limit:
                break
            stop = position + 4 + length
            if stop > end:
                need = 4 + length
                break
            append((letter, data[position + 5 : stop]))
            position = stop
        if position < end or self.pending:
            self._tail = bytearray(data[position:])
            self.pending = end - position
        self._need = need
        if need == 4 and not packets:
            self._check_length()
        return packets

    def _check_length(self) -> None:
        """Refuse the length of the packet that comes next, as soon as it is there."""
        if self.pending >= 4:
            (length,) = _LENGTH.unpack_from(self._tail)
            if length == 0:
                raise RemoteProtocolError("packet of length 0: not even a code byte")
            if length > self._limit:
                raise RemoteProtocolError(f"packet of {length} bytes, more than the limit of {self._limit}")
            self._need = 4 + length
