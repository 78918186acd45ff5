"""The words of sh: quotes, variables, substitutions and the splitting into fields (POSIX.1, 2.2 and 2.6).

Each piece of a result remembers where it was written, so that a socket that an init script puts together
can be told by the line of the defaults file it comes from.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from postmill.api.host import Source
from postmill.detectors.readers.shell.syntax import skip_quoted
from postmill.detectors.readers.values import UNKNOWN, Pieces, Value, plain, shortened, split

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-]")
_ORDINARY = re.compile(r"[^\\'\"`$]+")
_LONGEST_CUT = 4096
"""Characters of a value, beyond which no pattern is tried on it."""
_BRACES = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*])(:?[-=?+]|%%?|##?)?(.*)", re.DOTALL)


class Scope(Protocol):
    """What the words of a script refer to."""

    @property
    def parameters(self) -> Sequence[Pieces]:
        """The positional parameters."""
        ...

    def get(self, name: str) -> Pieces | None:
        """Return a variable or a parameter; None when it is not set."""
        ...

    def set(self, name: str, value: Pieces) -> None:
        """Set a variable."""
        ...

    def substitute(self, script: str, source: Source) -> Pieces:
        """Return what a command substitution writes."""
        ...


@dataclass(slots=True)
class _Fields:
    """Fields under construction."""

    done: list[Pieces] = field(default_factory=list)
    current: list[Value] = field(default_factory=list)
    is_open: bool = False
    """Whether there is a current field, even if empty."""

    def add(self, pieces: Sequence[Value], *, is_quoted: bool) -> None:
        if is_quoted:
            self.current += pieces
            self.is_open = True
            return
        text = plain(pieces)
        words = split(pieces)
        if text[:1].isspace():
            self.close()
        for index, word in enumerate(words):
            if index:
                self.close()
            self.current += word
            self.is_open = True
        if text[-1:].isspace():
            self.close()

    def close(self) -> None:
        if self.is_open:
            self.done.append(shortened(self.current))
        self.current, self.is_open = [], False


def expand(raw: str, scope: Scope, source: Source) -> list[Pieces]:
    """Return the fields that a word becomes."""
    fields = _Fields()
    _expand_into(fields, raw, scope, source, in_quotes=False)
    fields.close()
    return fields.done


def expand_whole(raw: str, scope: Scope, source: Source, *, in_quotes: bool = False) -> Pieces:
    """Return what a word becomes where it is not split, as in an assignment."""
    fields = _Fields()
    _expand_into(fields, raw, scope, source, in_quotes=in_quotes, is_whole=True)
    return shortened(fields.current)


def _expand_into(
    fields: _Fields, raw: str, scope: Scope, source: Source, *, in_quotes: bool, is_whole: bool = False
) -> None:
    at = 0
    while at < len(raw):
        if ordinary := _ORDINARY.match(raw, at):
            fields.add(_literal(ordinary[0], source), is_quoted=True)
            at = ordinary.end()
            continue
        end = skip_quoted(raw, at) if not in_quotes or raw[at] != "'" else at + 1
        char = raw[at]
        if char == "\\":
            fields.add(_literal(_unescaped(raw[at:end], in_quotes), source), is_quoted=True)
        elif char == "'" and not in_quotes:
            fields.add(_literal(raw[at + 1 : end - 1], source), is_quoted=True)
        elif char == '"':
            inner = raw[at + 1 : end - 1]
            if in_quotes:
                _expand_into(fields, inner, scope, source, in_quotes=False, is_whole=is_whole)
            elif inner == "$@":
                _add_parameters(fields, scope)
            else:
                fields.add(expand_whole(inner, scope, source, in_quotes=True), is_quoted=True)
        elif char == "`":
            script = re.sub(r"\\([$`\\])", r"\1", raw[at + 1 : end - 1])
            fields.add(scope.substitute(script, source), is_quoted=in_quotes or is_whole)
        elif char == "$":
            pieces, end = _dollar(raw, at, end, scope, source, in_quotes)
            fields.add(pieces, is_quoted=in_quotes or is_whole)
        else:
            fields.add(_literal(char, source), is_quoted=True)
        at = end


def _add_parameters(fields: _Fields, scope: Scope) -> None:
    """Add each parameter as a field, which is what ``"$@"`` alone in its quotes means."""
    for index, parameter in enumerate(scope.parameters):
        if index:
            fields.close()
        fields.add(parameter, is_quoted=True)


def _literal(text: str, source: Source) -> Pieces:
    return (Value(text, source),)


def _unescaped(text: str, in_quotes: bool) -> str:
    if text == "\\\n":
        return ""
    return text if in_quotes and text[1:] not in {"$", "`", '"', "\\"} else text[1:]


def _dollar(raw: str, at: int, end: int, scope: Scope, source: Source, in_quotes: bool) -> tuple[Pieces, int]:
    """Return what begins with a dollar becomes, and where it ends."""
    if raw.startswith("$((", at):
        return _literal(UNKNOWN, source), end
    if raw.startswith("$(", at):
        return scope.substitute(raw[at + 2 : end - 1], source), end
    if raw.startswith("${", at):
        return _braces(raw[at + 2 : end - 1], scope, source, in_quotes), end
    found = _PLAIN_NAME.match(raw, at + 1)
    if found is None:
        return _literal("$", source), at + 1
    return scope.get(found[0]) or (), found.end()


def _braces(inner: str, scope: Scope, source: Source, in_quotes: bool) -> Pieces:
    found = _BRACES.fullmatch(inner)
    if found is None:
        return _literal(UNKNOWN, source)
    name, operator, word = found[1], found[2] or "", found[3]
    value = scope.get(name)
    if not operator:
        return (value or ()) if not word else _literal(UNKNOWN, source)
    if operator[0] in "%#":
        pattern = plain(expand_whole(word, scope, source))
        return _trimmed(value or (), operator, pattern)
    is_absent = value is None or (operator[0] == ":" and not plain(value))
    if operator[-1] == "+":
        return () if is_absent else expand_whole(word, scope, source, in_quotes=in_quotes)
    if not is_absent or operator[-1] == "?":
        return value or ()
    default = expand_whole(word, scope, source, in_quotes=in_quotes)
    if operator[-1] == "=":
        scope.set(name, default)
    return default


def _trimmed(value: Pieces, operator: str, pattern: str) -> Pieces:
    """Cut off the shortest (``%``, ``#``) or longest (``%%``, ``##``) part that matches a pattern."""
    text = plain(value)
    if not value or UNKNOWN in text + pattern or len(text) + len(pattern) > _LONGEST_CUT:
        return value
    cuts: Sequence[int] = range(len(text) + 1)
    from_end = operator[0] == "%"
    if from_end is (len(operator) == 1):
        cuts = cuts[::-1]
    for cut in cuts:
        part = text[cut:] if from_end else text[:cut]
        if fnmatch.fnmatchcase(part, pattern):
            return (Value(text[:cut] if from_end else text[cut:], value[-1].source),)
    return value
