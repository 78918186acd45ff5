"""Lists of words as systemd writes them: quotes anywhere in a word, escapes as in C (systemd.syntax(7))."""

from __future__ import annotations

import re

_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\\.|[^\s"'\\]|["'\\])+""", re.DOTALL)
_PART = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^"']+|.)""", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


def words_of(text: str) -> list[str]:
    """Cut a text into words, without their quotes."""
    return [_unquoted(word) for word in _WORD.findall(text)]


def _unquoted(word: str) -> str:
    parts = (double or single or bare for double, single, bare in _PART.findall(word))
    return "".join(_ESCAPE.sub(_character, part) for part in parts)


def _character(found: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if found[group]:
            number = int(found[group], base)
            return chr(number) if number < 0x110000 else ""
    return _CONTROL.get(found[5], found[5])
