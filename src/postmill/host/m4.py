"""Macro calls in m4 source, as far as Sendmail's .mc files need it: where each call stands and its arguments.

Nothing is expanded: a call inside quotes is an argument's text, as it is in m4. Quotes are `…' (they nest),
``#`` begins a comment to the end of the line, ``dnl`` discards the rest of the line. GNU m4 manual, "Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|#[^\n]*|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a macro at the top level of a text."""

    name: str
    arguments: tuple[str, ...]
    """With the outer quotes taken off, as the macro gets them."""
    start: int
    end: int
    """Where it begins in the text, and where it ends, closing parenthesis included."""


def calls(text: str) -> Iterator[Call]:
    """Find the calls with arguments that stand in a text outside quotes and comments, in order."""
    at = 0
    while found := _TOKEN.match(text, at):
        word, at = found[0], found.end()
        if word == "dnl":
            at = _after_line(text, at)
        elif word == "`":
            at = _after_quotes(text, at)
        elif word.isascii() and word.isidentifier() and text[at : at + 1] == "(":
            arguments, at = _arguments(text, at + 1)
            yield Call(word, tuple(arguments), found.start(), at)


def _after_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _after_quotes(text: str, at: int) -> int:
    """Return where the quotes end that were opened just before `at`; the end of the text if they do not."""
    depth = 1
    while depth and at < len(text):
        depth += (text[at] == "`") - (text[at] == "'")
        at += 1
    return at


def _unquoted(text: str) -> str:
    return text[1:].removesuffix("'")


def _arguments(text: str, at: int) -> tuple[list[str], int]:
    """Read the arguments of a call whose parenthesis was opened just before `at`."""
    arguments, depth, current = [], 1, ""
    while found := _TOKEN.match(text, at):
        word, at = found[0], found.end()
        if word == "`":
            end = _after_quotes(text, at)
            current += _unquoted(text[at - 1 : end]) if depth == 1 else text[at - 1 : end]
            at = end
        elif word == "dnl":
            at = _after_line(text, at)
        elif word == "," and depth == 1:
            arguments.append(current)
            current = ""
            continue
        else:
            depth += (word == "(") - (word == ")")
            if depth == 0:
                return [*arguments, current], at
            current += "" if not current and word.isspace() else word
    return [*arguments, current], at


def line_of(text: str, call: Call) -> tuple[int, int]:
    """Return where the line of a call begins and ends, if the call and a ``dnl`` are all it has.

    Otherwise that of the call alone.
    """
    start = text.rfind("\n", 0, call.start) + 1
    rest = re.compile(r"[ \t]*(dnl\b[^\n]*)?(\n|\Z)").match(text, call.end)
    if text[start : call.start].strip() or not rest:
        return call.start, call.end
    return start, rest.end()


def edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Put new text in the place of pieces of an old one, given by where they begin and end."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
