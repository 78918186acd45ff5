"""The text of a header's value as people read it (RFC 5322 §2.2.3, RFC 2047).

Programs differ in how much they forgive, and a sender may choose what they do not agree about; so what some
program shows is a reading. All of it takes time in proportion to the length of the value.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from itertools import groupby
from operator import itemgetter

QUOTED = r'"(?:[^"\\]|\\.)*'
"""A regular expression of a quoted string up to its closing quote (RFC 5322 §3.2.4)."""
_BESIDE_COMMENTS = re.compile(rf'{QUOTED}"|[^"\\(]+|\\.|.', re.DOTALL)
_IN_COMMENTS = re.compile(r"[^\\()]+|\\.|.", re.DOTALL)
_TO_THE_END = re.compile(r"=\?([^?]*)\?([bq])\?(.*?)\?=", re.IGNORECASE | re.DOTALL)
"""An encoded word as lenient programs find it; needs a text that ends in ``?=`` to be quick."""
_STRICT = re.compile(r"=\?([^?\s]*)\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
_CHARSETS = {*aliases, *aliases.values(), "cp720", "cp737", "cp874", "koi8_t", "koi8_u"}
"""What Python can decode beyond that is no charset (idna), or takes ages (punycode)."""


def without_comments(text: str) -> str:
    """Return a text with a blank for each comment (RFC 5322 §3.2.2); one without an end goes to the end."""
    if "(" not in text:
        return text
    kept, depth, at = [], 0, 0
    while found := (_IN_COMMENTS if depth else _BESIDE_COMMENTS).match(text, at):
        piece, at = found[0], found.end()
        if piece == "(":
            depth += 1
        elif depth and piece == ")":
            depth -= 1
            if not depth:
                kept.append(" ")
        elif not depth:
            kept.append(piece)
    return "".join(kept)


def readings(value: str) -> Iterator[str]:
    """Give a header's value in one line, then with its encoded words decoded."""
    line = re.sub(r"\r?\n(?=[ \t])|[\r\n\0]", "", value).strip()
    yield line
    if "=?" in line:
        yield from {text for word in (_TO_THE_END, _STRICT) for text in _decoded(line, word)} - {line}


def in_charset(data: bytes, charset: str) -> str:
    """Decode bytes, with U+FFFD for what does not fit. Raise LookupError where nobody knows the charset."""
    name = normalize_encoding(charset).lower()
    if name not in _CHARSETS:
        raise LookupError(charset)
    return data.decode(name, "replace")


def _decoded(line: str, word: re.Pattern[str]) -> Iterator[str]:
    """Yield a line with each word decoded by itself, and with those of one charset decoded together.

    A letter may begin in one word and end in the next, though it should not (RFC 2047 §5).
    """
    pieces = [*_pieces(line, word)]
    yield "".join(_guessed(data, charset) for charset, data in pieces)
    together = groupby(pieces, key=itemgetter(0))
    yield "".join(_guessed(b"".join(data for _, data in run), charset) for charset, run in together)


def _pieces(line: str, word: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield charset and bytes of each word, and those of what stands between, which has no charset."""
    at = 0
    for found in word.finditer(line, 0, line.rfind("?=") + 2):
        between = line[at : found.start()]
        if not at or between.strip():  # blanks between two words do not count (RFC 2047 §6.2)
            yield "", between.encode("utf-8", "replace")
        charset, encoding, text = found.groups()
        data = text.encode("utf-8", "replace")
        yield charset.partition("*")[0].lower(), from_base64(data) if encoding in "bB" else _from_q(data)
        at = found.end()
    yield "", line[at:].encode("utf-8", "replace")


def from_base64(data: bytes) -> bytes:
    """Decode what there is to decode, also behind padding in the middle; what is no base64 does not count."""
    runs = re.sub(rb"[^A-Za-z0-9+/=]", b"", data).split(b"=")
    return b"".join(b64decode(run[: -1 if len(run) % 4 == 1 else None] + b"==") for run in runs)


def _from_q(data: bytes) -> bytes:
    """Decode as RFC 2047 §4.2 has it."""
    spaced = data.replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), spaced)


def _guessed(data: bytes, charset: str) -> str:
    try:
        return in_charset(data, charset)
    except LookupError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
