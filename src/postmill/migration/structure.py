"""From tokens to statements: which ``end`` belongs to which beginning, and where one statement stops.

A statement is a run of tokens; blocks and brackets in it are whole. What a statement says is ``grammar``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postmill.migration.faults import Unreadable
from postmill.migration.tokens import Token

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_LOOPS = ("while", "until", "for")
_BEGINNINGS = ("class", "module", "begin", "case", "do", "def", "if", "unless", *_LOOPS)
_MODIFIERS = ("if", "unless", "while", "until")
_DEEPEST = 100
_LEAVING = ("end", "self", "return", "break", "next", "redo", "retry", "super", "yield")


@dataclass(frozen=True, slots=True)
class Program:
    """All tokens, and for the index of each beginning that of its end."""

    tokens: Sequence[Token]
    ends: dict[int, int]

    def statements(self, begin: int, stop: int) -> list[range]:
        """Split a stretch of tokens into statements, as ranges of indexes."""
        found, first, index = [], begin, begin
        while index < stop:
            if self.tokens[index].kind == "newline":
                if first < index:
                    found.append(range(first, index))
                first = index + 1
            index = self.ends.get(index, index) + 1
        if first < stop:
            found.append(range(first, stop))
        return found


def structured(tokens: Sequence[Token]) -> Program:
    """Find the end of every block and bracket; raises Unreadable where one is missing or too much."""
    return _Matcher(tokens).match()


class _Matcher:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.open: list[int] = []
        self.ends: dict[int, int] = {}
        self.loop = -1
        """The loop whose condition is being read: the next ``do`` is its own."""

    def match(self) -> Program:
        for index, token in enumerate(self.tokens):
            if token.kind == "mark":
                self.bracket(index, token)
            elif token.kind == "keyword":
                self.keyword(index, token)
            elif token.kind == "newline":
                self.loop = -1
            if len(self.open) > _DEEPEST:
                raise _wrong("blocks are nested too deeply", token)
        if self.open:
            first = self.tokens[self.open[-1]]
            raise _wrong(f"`{first.text}` has no `{_closing(first)}`", first)
        return Program(self.tokens, self.ends)

    def bracket(self, index: int, token: Token) -> None:
        if token.text in _BRACKETS:
            self.open.append(index)
        elif token.text in _BRACKETS.values():
            self.close(index, token)

    def keyword(self, index: int, token: Token) -> None:
        if token.text == "end":
            self.close(index, token)
        elif token.text == "do" and self.loop >= 0 and self.loop == self.open[-1]:
            self.loop = -1
        elif token.text in _BEGINNINGS and not self.is_modifier(index) and not self.is_endless(index):
            self.open.append(index)
            self.loop = index if token.text in _LOOPS else self.loop

    def close(self, index: int, token: Token) -> None:
        if not self.open:
            raise _wrong(f"`{token.text}` ends nothing", token)
        first = self.tokens[self.open[-1]]
        if token.text != _closing(first):
            raise _wrong(f"`{token.text}` where the `{first.text}` of line {first.line} is still open", token)
        self.ends[self.open.pop()] = index

    def is_modifier(self, index: int) -> bool:
        """``x if y``: the keyword stands behind a value, so no ``end`` will follow."""
        if self.tokens[index].text not in _MODIFIERS or index == 0:
            return False
        last = self.tokens[index - 1]
        if last.kind == "mark":
            return last.text in _BRACKETS.values()
        if last.kind == "keyword":
            return last.text in _LEAVING
        return last.kind not in ("newline", "label")

    def is_endless(self, index: int) -> bool:
        """``def name(…) = …`` has no ``end``."""
        if self.tokens[index].text != "def":
            return False
        at = index + 2
        while at + 1 < len(self.tokens) and self.tokens[at].is_mark("."):
            at += 2
        if at < len(self.tokens) and self.tokens[at].is_mark("("):
            depth = 0
            while at < len(self.tokens):
                depth += self.tokens[at].is_mark("(") - self.tokens[at].is_mark(")")
                at += 1
                if not depth:
                    break
        return at < len(self.tokens) and self.tokens[at].is_mark("=") and self.tokens[at].spaced


def _closing(first: Token) -> str:
    return _BRACKETS.get(first.text, "end")


def _wrong(message: str, token: Token) -> Unreadable:
    return Unreadable(message, token.line, token.column)
