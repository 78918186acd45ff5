"""Cutting a greylist.conf into statements of tokens, each with its line and column (greylist.conf(5)).

What the words mean is ``parsing``'s affair. A statement is a line; a backslash at its end continues it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


class ConfigError(ValueError):
    """A greylist.conf, or a piece of one, that cannot be used: what is wrong, where."""

    def __init__(self, message: str, line: int, column: int, file: str = "greylist.conf") -> None:
        """``line`` and ``column`` count from 1."""
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.message, self.line, self.column = message, line, column


@dataclass(frozen=True, slots=True)
class Token:
    """One word, string, regular expression or sign."""

    kind: str
    """``word``, ``string``, ``regex``, ``cidr``, ``op``, ``sign`` or ``end``."""
    text: str
    """Without the quotes of a string and the slashes of a regular expression."""
    line: int
    column: int

    @property
    def keyword(self) -> str:
        """In lower case, without the colon that some keywords may have."""
        return self.text.lower().removesuffix(":") if self.kind == "word" else ""


_EMAIL = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`}{|~.-]+|\"[!-~]+\")@[A-Za-z0-9._-]*"
_FORMS = [
    ("blank", re.compile(r"[ \t\r]+")),
    ("comment", re.compile(r"#.*")),
    ("join", re.compile(r"\\.*\n")),
    ("string", re.compile(r'"(?:\\"|[^"\n])*"')),
    ("word", re.compile(_EMAIL)),
    ("word", re.compile(r"(?:[0-9A-Fa-f]*:){2,}[0-9A-Fa-f.]*(?:%[0-9A-Za-z]+)?")),
    ("word", re.compile(r"[A-Za-z0-9._-]+:?|\$[A-Za-z0-9_-]+")),
    ("cidr", re.compile(r"/[0-9]{1,3}")),
    ("op", re.compile(r"==|!=|<=|>=|<|>")),
    ("sign", re.compile(r"\+=|-=|[=*/,{}!]")),
]
_REGEX = ("regex", re.compile(r"/(?:\\/|[^/\n])+/"))
_BEFORE_REGEX = frozenset(
    ["domain", "from", "rawfrom", "rcpt", "helo", "auth", "tls", "sm_macro", "header", "body", "p0f"]
)
"""Only after these may a slash begin a regular expression, up to the end of the line."""
_NO_REGEX = frozenset(["addr", "mx", "localaddr"])


def statements(text: str, file: str = "greylist.conf") -> Iterator[list[Token]]:
    """Give each statement, without empty ones; the last token of each is its ``end``.

    Raises ConfigError for a character that begins nothing.
    """
    statement: list[Token] = []
    for token in _tokens(text, file):
        statement.append(token)
        if token.kind == "end":
            if len(statement) > 1:
                yield statement
            statement = []


def _tokens(text: str, file: str) -> Iterator[Token]:
    at, line, begin, regexes = 0, 1, 0, False
    while at < len(text):
        if text[at] == "\n":
            yield Token("end", "", line, at - begin + 1)
            at, line, regexes = at + 1, line + 1, False
            begin = at
            continue
        kind, found = _longest(text, at, regexes)
        if not found:
            raise ConfigError(f"no word begins with {text[at]!r}", line, at - begin + 1, file)
        if kind in ("word", "string", "regex", "cidr", "op", "sign"):
            token = Token(kind, _content(kind, found), line, at - begin + 1)
            regexes = token.keyword in _BEFORE_REGEX or (regexes and token.keyword not in _NO_REGEX)
            yield token
        at += len(found)
        if kind == "join":
            line, begin = line + 1, at
    yield Token("end", "", line, at - begin + 1)


def _longest(text: str, at: int, regexes: bool) -> tuple[str, str]:
    """Return the form that takes most, as flex(1) would; the first of several that take as much."""
    best = ("", "")
    for kind, form in [*_FORMS, _REGEX] if regexes else _FORMS:
        found = form.match(text, at)
        if found and len(found[0]) > len(best[1]):
            best = (kind, found[0])
    return best


def _content(kind: str, found: str) -> str:
    if kind == "string":
        return found[1:-1].replace('\\"', '"')
    if kind == "regex":
        return found[1:-1].replace("\\/", "/")
    return found
