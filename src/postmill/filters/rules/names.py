"""What the headers of one part say of it: names, types, boundaries, all that some mail program goes by.

Programs differ in which of two headers or parameters they take; ``parameters`` tells how they read one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from postmill.filters.rules.parameters import UNREADABLE, values_of, with_and_without_comments

Fields = Sequence[tuple[str, str]]
"""Headers: the name in lower case, and the value."""
_TYPE = re.compile(r'"?([^\s/;,()"]+)\s*/\s*([^\s/;,()"]+)')


def names_of(fields: Fields) -> Iterator[str]:
    """Yield every name of a part in lower case, with and without the directories before it."""
    for name, value in fields:
        if name in ("content-disposition", "content-type"):
            for text in values_of(value, ("filename", "name")):
                yield from spellings(text)


def spellings(name: str) -> Iterator[str]:
    """Yield a name as it may be shown: blanks and dots at its end do not count, nor do directories."""
    shown = name.strip().rstrip(". ").lower()
    yield from filter(None, {shown, re.split(r"[/\\]", shown)[-1]})


def types_of(fields: Fields, default: Collection[str]) -> set[str]:
    """Return every MIME type of a part in lower case; what is none is text (RFC 2045 §5.2)."""
    values = [value for name, value in fields if name == "content-type"]
    if not values:
        return {*default}
    found = [
        _TYPE.match(text.strip().lower()) for value in values for text in with_and_without_comments(value)
    ]
    return {f"{one[1]}/{one[2]}" if one else "text/plain" for one in found}


def boundaries_of(fields: Fields) -> set[str]:
    """Return every boundary that a part may have; empty for one that nobody can tell."""
    texts = [value for name, value in fields if name == "content-type"]
    found = (value for text in texts for value in values_of(text, ("boundary",)))
    return {"" if value == UNREADABLE else value.strip() for value in found}


def encodings_of(fields: Fields) -> list[str]:
    """Return the encodings that turn a part into other lines, if it names any (RFC 2045 §6.1)."""
    said = [value.lower() for name, value in fields if name == "content-transfer-encoding"]
    return [one for one in ("base64", "quoted-printable") if any(one in value for value in said)]
