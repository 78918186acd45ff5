"""All parts of a message that some mail program may see in it, found line by line (RFC 2046 §5).

Programs differ in what begins a part: which of several boundaries, what may stand behind one on its line,
which line ends and encodings there are. So a part begins here wherever it may, however deep, and the tree
that the parts form is nobody's business. Time is in proportion to the size, whatever a sender writes.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from postmill.api.header_text import from_base64
from postmill.filters.rules.names import boundaries_of, encodings_of, names_of, spellings, types_of
from postmill.filters.rules.parameters import UNREADABLE

_BOUNDARY = 70
"""Letters of a boundary (RFC 2046 §5.1.1); of a longer one these are enough to know it by."""
_MOST_HEADERS = 512 * 1024
"""Bytes of headers about parts: more than anybody sends to be read. They take far longer than other text."""
_PART = 20
"""Bytes that each part counts as beyond its headers."""
_MOST_DECODED = 3
"""How many times the size of a message may be decoded in it, something encoded within the other."""
_UUENCODED = re.compile(rb"begin +[0-7]{3,4} +(\S.*)")
_DECODERS = {"base64": from_base64, "quoted-printable": a2b_qp}


class _UnreadableError(Exception):
    """The message is written so that nobody can read it."""


@dataclass(slots=True)
class Parts:
    """Names and types of all parts of a message; ``UNREADABLE`` is both where nobody can tell."""

    names: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, raw: bytes) -> Parts:
        """Find them."""
        parts = cls()
        try:
            _Scan(parts).message(raw)
        except _UnreadableError:
            parts.names.add(UNREADABLE)
            parts.types.add(UNREADABLE)
        return parts


class _Scan:
    """One message, with all that is encoded in it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._boundaries: dict[bytes, int] = {}  # each with its number
        self._lengths: set[int] = set()
        self._defaults = {"text/plain"}
        self._headers = 0
        self._ended = False  # whether the last delimiter was the one behind the last part
        self._encoded: dict[str, tuple[int, int]] = {}  # where it begins; how many boundaries were known

    def message(self, raw: bytes) -> None:
        """Look at a message, and then at what is encoded in it."""
        texts, left = [raw], (1 + _MOST_DECODED) * len(raw)
        while texts:
            text = texts.pop()
            left -= len(text)
            if left < 0:
                raise _UnreadableError
            for lines in _with_line_ends(text):
                texts += self._text(lines)

    def _text(self, text: bytes) -> Iterator[bytes]:
        """Look at every line; yield what is encoded between them."""
        headers: list[bytes] | None = []
        self._ended = False
        at = 0
        for line in BytesIO(text):
            known = self._delimiter(line) if line.startswith(b"--") else None
            if known is not None:
                self._end_headers(headers, at)
                yield from self._end_encoded(text, at, known)
                headers, self._ended = [], line.rstrip().endswith(b"--")
            elif headers is not None and line == b"\n":
                headers = [] if self._end_headers(headers, at + 1) else None
            elif headers is not None:
                headers.append(line)
            if line.startswith(b"begin ") and (found := _UUENCODED.match(line)):
                self._parts.names |= {*spellings(found[1].decode("utf-8", "replace"))}
            at += len(line)
        self._end_headers(headers, at)
        yield from self._end_encoded(text, at, -1)

    def _delimiter(self, line: bytes) -> int | None:
        """Return the number of the first boundary that such a line begins with."""
        starts = [line[2 : 2 + length] for length in self._lengths]
        return min((self._boundaries[start] for start in starts if start in self._boundaries), default=None)

    def _end_headers(self, lines: list[bytes] | None, at: int) -> bool:
        """Take in what the headers of a part say; tell whether a message may begin behind them."""
        if lines is None:
            return False
        fields = _fields(lines)
        self._headers += _PART + sum(len(value) for _, value in fields)
        if self._headers > _MOST_HEADERS:
            raise _UnreadableError
        types = types_of(fields, () if self._ended else self._defaults)
        self._parts.types |= types
        self._parts.names.update(names_of(fields))
        is_message, is_multipart = (
            any(kind.startswith(main) for kind in types) for main in ("message/", "multipart/")
        )
        if is_message or is_multipart:
            self._begin_encoded(encodings_of(fields), at)
        self._learn(boundaries_of(fields) or ({""} if is_multipart else set()))
        if "multipart/digest" in types:
            self._defaults.add("message/rfc822")  # RFC 2046 §5.1.5
        return is_message

    def _learn(self, boundaries: set[str]) -> None:
        """Know more boundaries; with an empty one every line is a delimiter that could be."""
        for boundary in boundaries:
            known = boundary.encode("utf-8", "surrogateescape")[:_BOUNDARY]
            self._boundaries.setdefault(known, len(self._boundaries))
            self._lengths.add(len(known))

    def _begin_encoded(self, encodings: list[str], at: int) -> None:
        """Remember that parts are encoded (RFC 2045 §6.4 forbids it, RFC 6532 §3.7 does not).

        Quoted-printable within another is found again when that is decoded: the lines are the same.
        """
        for encoding in encodings:
            if encoding == "base64" and encoding in self._encoded:
                raise _UnreadableError
            self._encoded.setdefault(encoding, (at, len(self._boundaries)))

    def _end_encoded(self, text: bytes, at: int, number: int) -> Iterator[bytes]:
        """Yield what ends before a delimiter, which is that of a part around it."""
        for encoding, (start, known) in [*self._encoded.items()]:
            if number < known:
                del self._encoded[encoding]
                yield _DECODERS[encoding](text[start:at])


def _with_line_ends(text: bytes) -> Iterator[bytes]:
    """Yield a text with LF for each line end; for some programs a CR alone is one, too."""
    lines = text.replace(b"\r\n", b"\n")
    yield lines
    if b"\r" in lines:
        yield lines.replace(b"\r", b"\n")


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Return the headers that are about parts; a line that is no header hides none (RFC 5322 §2.2)."""
    unfolded: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1].append(line)
        else:
            unfolded.append([line])
    fields = (b"".join(pieces).partition(b":") for pieces in unfolded)
    return [
        (name.strip().lower().decode("ascii", "replace"), value.decode("utf-8", "surrogateescape"))
        for name, colon, value in fields
        if colon and name.strip().lower().startswith(b"content-")
    ]
