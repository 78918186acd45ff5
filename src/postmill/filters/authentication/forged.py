"""Headers that claim to be our own results: which Authentication-Results have our authserv-id (RFC 8601 §5).

They are found by reading each header, not by their place. Who reads them later may read less strictly than
we, so one that cannot be read and holds our name anywhere is taken for ours, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from postmill.api.edits import HeaderEdit
from postmill.api.nouns import Header

NAME = "Authentication-Results"
_ID = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s;()"<>,]+)', re.DOTALL)
_AFTER = re.compile(r"[\s;(]|$")


def authserv_id(value: str) -> str | None:
    """Return whose results a header's value says it has, in lower case; None where that cannot be read."""
    text = _skip_comments(value)
    found = None if text is None else _ID.match(text)
    if text is None or found is None or not _AFTER.match(text, found.end()):
        return None
    quoted = found[1]
    return (found[2] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)).lower()


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
    return own.lower() in value.lower() if found is None else found == own.lower()


def forged(headers: Sequence[Header], own: str) -> tuple[int, ...]:
    """Return which headers of the name, counted from 1 whatever their case, claim to be ours."""
    values = [header.value for header in headers if header.name.strip().lower() == NAME.lower()]
    return tuple(place for place, value in enumerate(values, 1) if is_ours(value, own))


def remove(headers: Sequence[Header], own: str, edit: HeaderEdit) -> int:
    """Delete them and return how many there were; from the last, as each deletion moves those behind it."""
    places = forged(headers, own)
    for place in reversed(places):
        edit.delete_header(NAME, place)
    return len(places)
