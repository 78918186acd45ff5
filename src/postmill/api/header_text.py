"""The text of a header's value as people read it (RFC 5322 §2.2.3, RFC 2047)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header

QUOTED = r'"(?:[^"\\]|\\.)*"'
"""A regular expression of a quoted string (RFC 5322 §3.2.4)."""
_BESIDE_COMMENTS = re.compile(rf'{QUOTED}|[^"\\(]+|\\.|.', re.DOTALL)
_IN_COMMENTS = re.compile(r"[^\\()]+|\\.|.", re.DOTALL)


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
            kept.append(" ")
        elif not depth:
            kept.append(piece)
    return "".join(kept)


def readings(value: str) -> Iterator[str]:
    """Give a header's value in one line, then with its encoded words decoded where that can be done."""
    line = re.sub(r"\r?\n(?=[ \t])|[\r\n\0]", "", value).strip()
    yield line
    if "=?" in line:
        try:
            yield str(make_header(decode_header(line)))
        except (HeaderParseError, LookupError, ValueError):
            return  # an encoding that nobody knows, or a broken word: there is no other reading
