"""From the message that SpamAssassin made to edits of ours."""

from __future__ import annotations

import re

from postmill.api import Edit, Message
from postmill.filters.spamassassin.envelope import is_mark

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_ALSO = ("subject", "content-type")
_LONGEST = 60000
"""Bytes of a header that Postfix reads (protocol §1.2); one of 65,535 is more than a packet can hold."""
_NAME = re.compile(rf"[!-9;-~]{{1,{_LONGEST}}}")

Fields = list[tuple[str, str]]


def split(message: bytes) -> tuple[Fields, bytes]:
    """Return the headers, folds with LF, and the body of a message with any line ends."""
    text = message.replace(b"\r\n", b"\n")
    head, _, body = (b"\n" + text).partition(b"\n\n")
    fields: Fields = []
    for line in re.split(rb"\n(?![ \t])", head.strip(b"\n")):
        found = _FIELD.fullmatch(line)
        if found:
            name, value = found[1].decode(), found[2].decode("utf-8", "surrogateescape")
            fields.append((name, value.removeprefix(" ")))
    return fields, body.replace(b"\n", b"\r\n")


def rewrite(msg: Message, made: bytes, everything: bool, edit: Edit) -> None:
    """Take over the headers of the message that SpamAssassin made and, if wanted, what else it changed."""
    fields, body = split(made)
    forget(msg, edit)
    for name, value in fields:
        if is_mark(name) and value.strip():  # X-Spam-Level of a score below 1 is empty
            edit.add_header(name, clean(value))
    if not everything:
        return
    for name in _ALSO:
        new = [value for field, value in fields if field.lower() == name]
        old = msg.head.all(name)
        if new and new[0] != (old[0] if old else None):
            edit.change_header(name.title(), clean(new[0]))
    if body != msg.body:
        edit.replace_body(body)


def forget(msg: Message, edit: Edit) -> None:
    """Delete what somebody else's SpamAssassin, or one that would like to be ours, has left."""
    seen: dict[str, int] = {}
    for name in (header.name for header in msg.head.headers if is_mark(header.name)):
        if not _NAME.fullmatch(name):  # no milter can name it, and nobody goes by it
            continue
        seen[name.lower()] = seen.get(name.lower(), 0) + 1
    for name, count in seen.items():
        for nth in range(count, 0, -1):
            edit.delete_header(name, nth)


def clean(value: str) -> str:
    """Return a value that a header can have: no empty folds, no lone CR, not too long."""
    lines = [line for line in value.replace("\r", "").replace("\0", "").split("\n") if line.strip()]
    text = "\n".join(lines) or " "
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= _LONGEST:
        return text
    return data[:_LONGEST].decode("utf-8", "surrogateescape").rstrip()
