"""A message as bytes, cut into headers and body and put together again, as an MTA shows it to filters.

Here belong the reading of ``.eml`` files and the writing of messages (protocol §2.2 on `L` and `B`, §8
"other content facts"). Numbered header lists and edits are `postmill.mail`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Headers = tuple[tuple[bytes, bytes], ...]

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)


def split_message(raw: bytes) -> tuple[Headers, bytes]:
    """Headers as (name, everything after the colon) and the body with CRLF line ends.

    Folds are kept as LF plus their white space. A line that is no header ends the headers and belongs to
    the body; a first ``From `` line becomes the header X-Mailbox-Line, as in Postfix.
    """
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    headers: list[tuple[bytes, bytes]] = []
    at = 0
    if lines[0].startswith((b"From ", b">From ")):
        headers.append((b"X-Mailbox-Line", b" " + lines[0]))
        at = 1
    while at < len(lines) and lines[at]:
        line, at = lines[at], at + 1
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1] = (headers[-1][0], headers[-1][1] + b"\n" + line)
        elif found := _FIELD.fullmatch(line):
            headers.append((found[1], found[2]))
        else:
            at -= 1
            return tuple(headers), _body(lines[at:])
    return tuple(headers), _body(lines[at + 1 :])


def _body(lines: list[bytes]) -> bytes:
    """The lines as an SMTP client would have sent them: CRLF, and a last line that is complete."""
    if lines and not lines[-1]:
        lines = lines[:-1]
    return b"".join(line + b"\r\n" for line in lines)


def join_message(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The message as CRLF lines; header texts are what stands after the colon, folds with LF."""
    fields = [name + b":" + text.replace(b"\n", b"\r\n") + b"\r\n" for name, text in headers]
    return b"".join(fields) + b"\r\n" + body
