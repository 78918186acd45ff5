"""Packets on a byte stream: a length, a letter, a payload (protocol §1.1, §1.2).

The reader yields plain ``(letter, payload)`` pairs, so that a packet nobody needs to understand can be
passed on as it came. What a payload means belongs in ``wire.packets``.
"""

from __future__ import annotations

from struct import Struct

from postmill.errors import LocalProtocolError, RemoteProtocolError

DEFAULT_LIMIT = 64 * 1024 * 1024
"""Most bytes (code byte counted) of a packet that is read; protocol §1.2 tells what others take."""

_LENGTH = Struct(">I")
_HEAD = Struct(">IB")
_BARE = b"\x00\x00\x00\x01"
_BARE_FRAMES = tuple(_HEAD.pack(1, letter) for letter in range(256))


def frame(letter: int, payload: bytes = b"") -> bytes:
    """Return the complete packet for a code byte and its data.

    Raises LocalProtocolError for a letter that is no byte, and for data whose length has no place in 32 bits.
    """
    if not 0 <= letter <= 255:
        raise LocalProtocolError(f"a packet letter is one byte, not {letter}")
    if not payload:
        return _BARE_FRAMES[letter]
    if len(payload) >= 0xFFFFFFFF:
        raise LocalProtocolError(f"{len(payload)} bytes do not fit into one packet")
    return _HEAD.pack(len(payload) + 1, letter) + payload


class FrameReader:
    """Cuts a byte stream into packets, whatever way the stream arrives in pieces.

    Good packets in front of a bad length are handed out first; the error comes with the next call. So the
    packets and the error do not depend on how the stream was cut.
    """

    __slots__ = ("_limit", "_need", "_tail")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        """Take packets of at most ``limit`` bytes (letter and data, length field not counted)."""
        self._limit = limit
        self._tail = bytearray()
        self._need = 4

    @property
    def pending(self) -> int:
        """Bytes held back because their packet is not complete (or is faulty)."""
        return len(self._tail)

    def feed(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the packets that ``data`` completes.

        Raises RemoteProtocolError for a length of zero or above the limit, as soon as the length is known.
        """
        if self._tail:
            self._tail += data
            if len(self._tail) < self._need:
                return []
            data = bytes(self._tail)
        elif type(data) is not bytes:
            data = bytes(data)
        if len(data) == 5 and data[:4] == _BARE:
            self._keep(b"", 4)
            return [(data[4], b"")]
        return self._cut(data)

    def finish(self) -> None:
        """Say that the stream ended; raises RemoteProtocolError when it ended inside a packet."""
        if self._tail:
            raise RemoteProtocolError(
                f"the connection closed inside a packet, after {len(self._tail)} of its bytes"
            )

    def _cut(self, data: bytes) -> list[tuple[int, bytes]]:
        packets: list[tuple[int, bytes]] = []
        append, unpack = packets.append, _HEAD.unpack_from
        position, end, need = 0, len(data), 4
        while end - position > 4:
            length, letter = unpack(data, position)
            if length == 1:
                append((letter, b""))
                position += 5
                continue
            stop = position + 4 + length
            if length == 0 or length > self._limit:
                break
            if stop > end:
                need = 4 + length
                break
            append((letter, data[position + 5 : stop]))
            position = stop
        self._keep(data[position:], need)
        if need == 4 and not packets:
            self._check_length()
        return packets

    def _keep(self, rest: bytes, need: int) -> None:
        if rest or self._tail:
            self._tail = bytearray(rest)
        self._need = need

    def _check_length(self) -> None:
        """Refuse the length of the packet that comes next, as soon as it is there."""
        if len(self._tail) >= 4:
            (length,) = _LENGTH.unpack_from(self._tail)
            if length == 0:
                raise RemoteProtocolError("packet of length 0: not even a code byte")
            if length > self._limit:
                raise RemoteProtocolError(f"packet of {length} bytes, more than the limit of {self._limit}")
            self._need = 4 + length
