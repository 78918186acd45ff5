"""Headers that claim to be our own results: which Authentication-Results have our authserv-id (RFC 8601 §5).

They are found by reading each header, not by their place. Who reads them later may read less strictly than
we: OpenDMARC makes one name of the pieces that blanks, comments and quotes leave of it. Whatever could be
taken for ours by leaving something out is ours, if others could not have written it in good faith.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from postmill.api.domains import ascii_domain, is_domain
from postmill.api.edits import HeaderEdit
from postmill.api.nouns import Header

NAME = "Authentication-Results"
MOST = 100
"""Nobody has as many by chance, and an MTA's time for deleting them grows with the square of their number."""
_START = 1_000
"""Characters in which the name has to end; nobody has that many comments around it."""
_PIECE = re.compile(r'\s+|\([^()"\\]*\)|"([^"\\();]*)"|([^\s;()"\\]+)')
"""Blanks, a comment, a quoted word or a word, none of which two readers could end in two places."""


def is_ours(value: str, own: str) -> bool:
    """Tell whether a header's value claims, or may be taken to claim, the name ``own``."""
    name = ascii_domain(own)
    words = _words(value)
    first = ascii_domain(words[0]) if words else ""
    if words and (first == name or (len(words) == 1 and words[0].isascii() and is_domain(first))):
        return first == name
    names = {name, _plain(own)}
    text = _plain(value)
    if words is None:
        return any(_in_order(one, text) for one in names)
    said = _plain(" ".join(map(_visible, words)))
    if any(_in_pieces(one).match(said) for one in names):
        return True
    return not is_domain(first) and any(one in text for one in names)


def _words(value: str) -> list[str] | None:
    """Return the words before the first semicolon: authserv-id and version (RFC 8601 §2.2), or their pieces.

    None where it depends on the reader which these are.
    """
    words, place = [], 0
    while found := _PIECE.match(value, place, _START):
        words.append(found[1] or found[2] or "")
        place = found.end()
    return [word for word in words if word] if value[place : place + 1] in (";", "") else None


def _in_pieces(name: str) -> re.Pattern[str]:
    return re.compile(" ?".join(map(re.escape, name)) + r" ?\.?( |$)")


def _visible(text: str) -> str:
    return "".join(filter(str.isprintable, text))


def _plain(text: str) -> str:
    """Return a text in which all ways to write a letter are one.

    Each letter is decomposed by itself: with a text as a whole, combining marks take time that grows with
    the square of their number.
    """
    return text.translate({ord(one): unicodedata.normalize("NFKD", one) for one in set(text)}).lower()


def _in_order(name: str, text: str) -> bool:
    """Tell whether a text has the letters of a name in their order, whatever stands between them."""
    place = 0
    for letter in name:
        place = text.find(letter, place) + 1
        if not place:
            return False
    return True


def forged(headers: Sequence[Header], own: str) -> tuple[int, ...]:
    """Return which headers of the name, counted from 1 whatever their case, claim to be ours."""
    values = [header.value for header in headers if header.name.strip().lower() == NAME.lower()]
    return tuple(place for place, value in enumerate(values, 1) if is_ours(value, own))


def remove(headers: Sequence[Header], own: str, edit: HeaderEdit) -> bool:
    """Delete them, from the last, as each deletion moves those behind it; False: too many for that."""
    places = forged(headers, own)
    if len(places) > MOST:
        return False
    for place in reversed(places):
        edit.delete_header(NAME, place)
    return True
