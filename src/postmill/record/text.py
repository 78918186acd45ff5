"""What clients and milters say, as text that people can be shown."""

from __future__ import annotations


def text(data: bytes) -> str:
    """Return bytes of a message as text, with what is no UTF-8 in escapes."""
    return data.decode("utf-8", "backslashreplace")


def one_line(words: str) -> str:
    """Return text without control characters: what others say must not forge lines, or move a cursor."""
    if words.isprintable():
        return words
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
