"""What a statement says, where it only declares: an assignment, a call with plain values, a block of such.

Everything else is ``Foreign``: code, of which only place and beginning are kept. Values are Python's (text,
number, truth, None, list) or ``Pattern``; symbols are text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from postmill.migration.faults import Unreadable
from postmill.migration.lexing import tokens
from postmill.migration.structure import Program, structured
from postmill.migration.tokens import UNKNOWN, Token


@dataclass(frozen=True, slots=True)
class Assignment:
    """``owner.name = value``, also with ``+=`` and ``-=``; ``comment`` is the line above it."""

    owner: str
    name: str
    operator: str
    value: Any
    line: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """``owner.name(values, options)``; a call without owner has ``""``."""

    owner: str
    name: str
    values: tuple[Any, ...]
    options: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """``name("argument") do |variable| … end``."""

    name: str
    argument: str
    variable: str
    statements: tuple[Statement, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """Code: its lines and how it begins."""

    line: int
    last_line: int
    text: str
    words: tuple[str, ...] = field(default=())
    """The names and keywords in it, in their order."""


Statement = Assignment | Call | Block | Foreign

_ASSIGNING = ("=", "+=", "-=")


def read(text: str) -> tuple[Statement, ...]:
    """Read a whole program; raises Unreadable where it is not whole."""
    found, comments = tokens(text)
    return _Reader(text, structured(found), comments).block(0, len(found))


def read_value(text: str) -> Any:
    """Read a text that is one value; ``UNKNOWN`` when it is anything else."""
    return _value(tokens(text)[0])


class _Reader:
    def __init__(self, text: str, program: Program, comments: dict[int, str]) -> None:
        self.text = text
        self.program = program
        self.comments = comments

    def block(self, begin: int, stop: int) -> tuple[Statement, ...]:
        return tuple(self.statement(each) for each in self.program.statements(begin, stop))

    def statement(self, where: range) -> Statement:
        found = self.program.tokens[where.start : where.stop]
        return self.assignment(found) or self.nested(where, found) or _call(found) or self.foreign(found)

    def foreign(self, found: Sequence[Token]) -> Foreign:
        first, last = found[0], found[-1]
        text = self.text[first.start : last.end].splitlines()[0].strip()
        last_line = last.line + last.text.count("\n")
        words = tuple(token.text for token in found if token.kind in ("name", "keyword"))
        return Foreign(first.line, last_line, text, words)

    def assignment(self, found: Sequence[Token]) -> Assignment | None:
        operators = [index for index, token in enumerate(found[:4]) if token.is_mark(*_ASSIGNING)]
        if operators != [3] or not _is_member(found[:3]):
            return None
        value = _value(found[4:])
        if len(found) == 4:
            raise Unreadable("nothing is assigned", found[3].line, found[3].column)
        if value is UNKNOWN:
            return None
        comment = self.comments.get(found[0].line - 1, "")
        return Assignment(found[0].text, found[2].text, found[3].text, value, found[0].line, comment)

    def nested(self, where: range, found: Sequence[Token]) -> Block | None:
        """Read ``name("argument") do |variable| … end``, or the same with braces."""
        begin = next((i for i in where if self.program.tokens[i].is_keyword("do")), None)
        if begin is None:
            begin = next((i for i in where if self.program.tokens[i].is_mark("{")), None)
        if begin is None or self.program.ends.get(begin) != where.stop - 1:
            return None
        head = _call(found[: begin - where.start])
        parameters = self.program.tokens[begin + 1 : begin + 4]
        shape = [parameters[0].text, parameters[-1].text] if len(parameters) == 3 else []
        if head is None or head.owner or head.options or shape != ["|", "|"]:
            return None
        if len(head.values) != 1 or not isinstance(head.values[0], str) or parameters[1].kind != "name":
            return None
        inner = self.block(begin + 4, where.stop - 1)
        return Block(head.name, head.values[0], parameters[1].text, inner, head.line)


def _is_member(found: Sequence[Token]) -> bool:
    return [token.kind for token in found] == ["name", "mark", "name"] and found[1].text == "."


def _call(found: Sequence[Token]) -> Call | None:
    """Read ``name``, ``owner.name``, with arguments in parentheses or behind a blank."""
    size = 3 if _is_member(found[:3]) else 1
    if len(found) < size or found[0].kind != "name":
        return None
    owner, name = (found[0].text, found[2].text) if size == 3 else ("", found[0].text)
    arguments = found[size:]
    if len(arguments) >= 2 and arguments[0].is_mark("(") and arguments[-1].is_mark(")"):
        arguments = arguments[1:-1]
    elif arguments and not arguments[0].spaced:
        return None
    values: list[Any] = []
    options: dict[str, Any] = {}
    for part in _split(arguments):
        if not _argument(part, values, options):
            return None
    return Call(owner, name, tuple(values), options, found[0].line)


def _argument(part: Sequence[Token], values: list[Any], options: dict[str, Any]) -> bool:
    """Read one argument: ``value``, ``name: value`` or ``:name => value``."""
    if part and part[0].kind == "label":
        key, value = part[0].value, _value(part[1:])
    elif len(part) > 2 and part[1].is_mark("=>") and isinstance(part[0].value, str):
        key, value = part[0].value, _value(part[2:])
    else:
        key, value = None, _value(part)
    if value is UNKNOWN or (key is None and options):
        return False
    if key is None:
        values.append(value)
    else:
        options[key] = value
    return True


def _value(found: Sequence[Token]) -> Any:
    """Read a literal or a list of literals; ``UNKNOWN`` for everything else."""
    if len(found) == 1:
        return found[0].value if found[0].kind == "literal" else UNKNOWN
    if len(found) < 2 or not found[0].is_mark("[") or not found[-1].is_mark("]"):
        return UNKNOWN
    parts = _split(found[1:-1])
    if any(len(part) != 1 or part[0].kind != "literal" for part in parts):
        return UNKNOWN
    values = [part[0].value for part in parts]
    return UNKNOWN if UNKNOWN in values else values


def _split(found: Sequence[Token]) -> list[Sequence[Token]]:
    """Split at commas outside brackets; one comma may trail."""
    parts: list[Sequence[Token]] = []
    first, depth = 0, 0
    for index, token in enumerate(found):
        depth += token.is_mark("[", "(", "{") - token.is_mark("]", ")", "}")
        if token.is_mark(",") and not depth:
            parts.append(found[first:index])
            first = index + 1
    return [*parts, found[first:]] if first < len(found) else parts
