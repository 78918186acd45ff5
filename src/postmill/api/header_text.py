"""The text of a header's value as people read it (RFC 5322 §2.2.3, RFC 2047)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header


def readings(value: str) -> Iterator[str]:
    """Give a header's value in one line, then with its encoded words decoded where that can be done."""
    line = re.sub(r"\r?\n(?=[ \t])|[\r\n\0]", "", value).strip()
    yield line
    if "=?" in line:
        try:
            yield str(make_header(decode_header(line)))
        except (HeaderParseError, LookupError, ValueError):
            return  # an encoding that nobody knows, or a broken word: there is no other reading
