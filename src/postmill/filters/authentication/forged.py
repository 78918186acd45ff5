"""Headers that claim to be our own results: which Authentication-Results have our authserv-id (RFC 8601 §5).

They are found by reading each header, not by their place. Who reads them later may read less strictly than
we, so one that cannot be read and holds our name anywhere is taken for ours, too.
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
"""Characters in which the name has to come; nobody has that many comments before it."""
_ID = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s;()"<>,]+)', re.DOTALL)
_AFTER = re.compile(r"[\s;(]|$")


def authserv_id(value: str) -> str | None:
    """Return whose results a header's value says it has, as ``ascii_domain`` gives it (RFC 8601 §5).

    None where that cannot be read, or is no name that a host can have.
    """
    text = _skip_comments(value[:_START])
    found = None if text is None else _ID.match(text)
    if text is None or found is None or not _AFTER.match(text, found.end()):
        return None
    if found.end() == len(text) and len(value) > _START:
        return None  # it goes on
    quoted = found[1]
    name = ascii_domain(found[2] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    return name if is_domain(name) else None


def _skip_comments(value: str) -> str | None:
    """Return what follows blanks and comments; None where a comment does not end."""
    place, depth = 0, 0
    while place < len(value):
        letter = value[place]
        if letter == "\\" and depth:
            place += 1
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif not depth and not letter.isspace():
            break
        if depth < 0:
            return None
        place += 1
    return None if depth else value[place:]


def is_ours(value: str, own: str) -> bool:
    """Tell whether a header's value claims, or may be taken to claim, the name ``own``."""
    found = authserv_id(value)
    if found is not None:
        return found == ascii_domain(own)
    text = _plain(value)
    return _plain(own) in text or ascii_domain(own) in text


def _plain(text: str) -> str:
    """Return a text in which all ways to write a letter are one.

    Each letter is decomposed by itself: with a text as a whole, combining marks take time that grows with
    the square of their number.
    """
    return text.translate({ord(one): unicodedata.normalize("NFKD", one) for one in set(text)}).lower()


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
