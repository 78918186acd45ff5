"""The body of a message: kept once, read by every filter that wants it (protocol §1.2, §3.4, §9.5).

A small one is kept in memory. For a large one a spool is asked for: anything that can seek, read and write,
such as a file that ``net`` opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Protocol

CHUNK = 65535
"""Bytes in a body packet, as both MTAs cut it."""


class Spool(Protocol):
    """A place for bytes; the body is its only user and seeks before every access."""

    def seek(self, offset: int, /) -> object:
        """Go to an offset in bytes."""

    def write(self, data: bytes, /) -> object:
        """Write at the present offset."""

    def read(self, size: int, /) -> bytes:
        """Read up to ``size`` bytes from the present offset."""


class Body:
    """Bytes that grow at the end and are read in pieces, by several readers at once if need be."""

    __slots__ = ("_most", "_new_spool", "_size", "_spool")

    def __init__(self, new_spool: Callable[[], Spool] | None = None, most: int = 0) -> None:
        """Keep up to ``most`` bytes in memory, all of them without ``new_spool``."""
        self._spool: Spool = BytesIO()
        self._size = 0
        self._new_spool = new_spool
        self._most = most

    @property
    def size(self) -> int:
        """Bytes kept so far."""
        return self._size

    def append(self, data: bytes) -> None:
        """Keep more bytes; errors of the spool pass through."""
        if self._new_spool is not None and self._size + len(data) > self._most:
            self._move(self._new_spool)
        self._spool.seek(self._size)
        self._spool.write(data)
        self._size += len(data)

    def _move(self, new_spool: Callable[[], Spool]) -> None:
        """Go on in a spool, with what is there already."""
        spool = new_spool()
        for chunk in self.chunks():
            spool.write(chunk)
        self._spool, self._new_spool = spool, None

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield what is kept in pieces of ``size`` bytes, the last one shorter; nothing for an empty body."""
        position = 0
        while position < self._size:
            self._spool.seek(position)
            piece = self._spool.read(min(size, self._size - position))
            if not piece:
                raise EOFError(f"the spool ends at byte {position} of {self._size}")
            position += len(piece)
            yield piece


def replacement_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield a replaced body as Postfix stores it, however it is cut: every line ends in CR LF.

    A bare LF becomes CR LF, a CR that stands elsewhere stays, the last line is completed.
    """
    last = b""
    for chunk in chunks:
        if not chunk:
            continue
        piece = chunk.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if last == b"\r" and chunk[:1] == b"\n":
            piece = piece[1:]  # the CR of this line end went out with the piece before
        last = chunk[-1:]
        yield piece
    if last and last != b"\n":
        yield b"\r\n"


def replacement(chunks: Iterable[bytes]) -> bytes:
    """Return the new body that the data of all ``b`` packets of one filter make."""
    return b"".join(replacement_pieces(chunks))
