"""Parameters of a MIME header, read in every way that some mail program reads them (RFC 2045 §5.1).

Programs differ in whether they know of comments, continuations (RFC 2231), encoded words (RFC 2047) where
none belong, or percent signs, and in what they make of a value that is written wrongly. What some can read
counts; what is written so that nobody can tell is ``UNREADABLE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_to_bytes

from postmill.api.header_text import QUOTED, in_charset, readings, without_comments

UNREADABLE = "\0"
"""Stands for a value that is written so that nobody can read it."""
_PIECE = re.compile(rf'(?:[^;"]|{QUOTED}"?)+', re.DOTALL)
_NAMED = re.compile(r"(?:^|[\s,()])([a-z]+)(?:\*(\d{1,4}))?(\*?)$")
_Numbered = dict[int, list[tuple[str, bool]]]


def with_and_without_comments(text: str) -> set[str]:
    """Return a text as programs take it that know of comments, and as others do."""
    return {text, without_comments(text)}


def values_of(text: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield every reading of the parameters of these names in a header."""
    for one in with_and_without_comments(text):
        yield from _values_in(one, names)


def _values_in(text: str, names: tuple[str, ...]) -> Iterator[str]:
    pieces: dict[str, _Numbered] = {}
    for piece in _PIECE.findall(text):
        attribute, _, value = (part.strip() for part in piece.partition("="))
        attribute = attribute.lower()
        found = _NAMED.search(attribute)
        if found is None or found[1] not in names:
            if attribute.startswith(tuple(f"{name}*" for name in names)):
                yield UNREADABLE
            continue
        name, number, encoded = found.groups()
        if number is not None:
            pieces.setdefault(name, {}).setdefault(int(number), []).append((value, bool(encoded)))
        elif encoded:
            for way in (_unquoted, _first_word):
                yield from _decoded(way(value))
        else:
            yield from _plain(value)
    for numbered in pieces.values():
        yield from _joined(numbered)


def _plain(value: str) -> Iterator[str]:
    bare = value.strip('"')
    texts = {_unquoted(value), _first_word(value), bare, bare.partition(";")[0]}
    for text in texts | {unquote(text) for text in texts}:
        yield from readings(text)


def _joined(numbered: _Numbered) -> Iterator[str]:
    """Yield what the pieces of a value make, all of them and those before one that is missing."""
    if any(len(values) > 1 for values in numbered.values()):
        yield UNREADABLE  # who knows which one is taken
        return
    row = [numbered[number][0] for number in sorted(numbered)]
    unbroken = next((number for number in range(len(row)) if number not in numbered), len(row))
    for some in (row, row[:unbroken]):
        for way in (_unquoted, _first_word):
            text = "".join(way(value) for value, _ in some)
            if any(encoded for _, encoded in some):
                yield from _decoded(text)
            yield from readings(text)


def _decoded(text: str) -> Iterator[str]:
    """Yield the text behind character set and language (RFC 2231 §4); without these it is UTF-8."""
    charset, _, rest = text.partition("'")
    _, behind, told = rest.partition("'")
    data = unquote_to_bytes((told if behind else text).encode("utf-8", "surrogateescape"))
    try:
        yield in_charset(data, charset if behind and charset else "utf-8")
    except LookupError:
        yield UNREADABLE


def _unquoted(value: str) -> str:
    """Return what stands up to the closing quote; the whole where there are no quotes."""
    found = re.match(QUOTED, value, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", found[0][1:]) if found else value


def _first_word(value: str) -> str:
    """Return what a program reads that lets a value end where a token ends (RFC 2045 §5.1)."""
    return _unquoted(value) if value.startswith('"') else re.split(r'[\s;,()"]', value, maxsplit=1)[0]
