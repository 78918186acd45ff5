"""The names and types that a part may be shown under: all that some mail program goes by.

Programs differ in which of two headers or parameters they take, and whether they know of continuations
(RFC 2231), encoded words (RFC 2047) where none belong, or percent signs. What some can read counts; what is
written so that nobody can tell counts as everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message as Part
from urllib.parse import unquote, unquote_to_bytes

from postmill.api.header_text import readings

UNREADABLE = "\0"
"""Stands for a name that is written so that nobody can read it."""
_HEADERS = ("content-disposition", "content-type")
_PIECE = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_NAMED = re.compile(r"(filename|name)(?:\*(\d{1,4}))?(\*?)")
_HAS_PARTS = ("multipart/", "message/")


def names_of(part: Part) -> Iterator[str]:
    """Yield every name of a part in lower case, with and without the directories before it."""
    for text in (value for header in _HEADERS for value in _values(part, header)):
        for name in _names_in(text):
            shown = name.strip().rstrip(". ").lower()
            if shown:
                yield shown
                yield re.split(r"[/\\]", shown)[-1]
    if any(kind.startswith(_HAS_PARTS) for kind in list(types_of(part))[1:]):
        yield UNREADABLE  # whether there are parts in it depends on who reads it


def types_of(part: Part) -> Iterator[str]:
    """Yield every MIME type of a part in lower case, first the one that decides about its parts."""
    yield part.get_content_type().lower()
    for text in _values(part, "content-type")[1:]:
        yield text.partition(";")[0].strip().lower()


def _values(part: Part, header: str) -> list[str]:
    return [
        value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in part.raw_items()
        if name.lower() == header
    ]


def _names_in(text: str) -> Iterator[str]:
    """Yield the names in one header."""
    pieces: dict[str, dict[int, list[tuple[str, bool]]]] = {}
    for piece in _PIECE.findall(text):
        attribute, _, value = (part.strip() for part in piece.partition("="))
        found = _NAMED.fullmatch(attribute.lower())
        if found is None:
            if attribute.lower().startswith(("filename*", "name*")):
                yield UNREADABLE
            continue
        name, number, encoded = found.groups()
        if number is not None:
            pieces.setdefault(name, {}).setdefault(int(number), []).append((value, bool(encoded)))
        elif encoded:
            yield from _decoded(_unquoted(value))
        else:
            yield from _plain(value)
    for numbered in pieces.values():
        yield from _joined(numbered)


def _plain(value: str) -> Iterator[str]:
    texts = {_unquoted(value), value.strip('"'), value.strip('"').partition(";")[0]}
    for text in texts | {unquote(text) for text in texts}:
        yield from readings(text)


def _joined(numbered: dict[int, list[tuple[str, bool]]]) -> Iterator[str]:
    """Yield what the pieces of a name make, all of them and those before one that is missing."""
    if any(len(values) > 1 for values in numbered.values()):
        yield UNREADABLE  # who knows which one is taken
        return
    row = [numbered[number][0] for number in sorted(numbered)]
    unbroken = next((number for number in range(len(row)) if number not in numbered), len(row))
    for some in (row, row[:unbroken]):
        text = "".join(_unquoted(value) for value, _ in some)
        if any(encoded for _, encoded in some):
            yield from _decoded(text)
        yield from readings(text)


def _decoded(text: str) -> Iterator[str]:
    """Yield the text behind character set and language (RFC 2231 §4); without these it is UTF-8."""
    parts = text.split("'", 2)
    charset = parts[0] if len(parts) == 3 else ""
    try:
        yield unquote_to_bytes(parts[2] if len(parts) == 3 else text).decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        yield UNREADABLE


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"'))
