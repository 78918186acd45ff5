"""POSIX regular expressions, basic and extended, as the milters read them whose configurations have some.

milter-greylist has those of regcomp(3) in glibc; clamav-milter brings along Spencer's, which know less behind
a backslash. Both compare without regard to case; so do these. An expression is cut into pieces in Python's
spelling. What repeats something is left to ``_automaton``, lest a mail that was made for it stop everything.
"""

from __future__ import annotations

import re
import warnings

from postmill.filters._automaton import Automaton

_CLASSES = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "A-Za-z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}
_BEGIN_OF_WORD, _END_OF_WORD = r"\b(?=\w)", r"\b(?<=\w)"
_EDGES = {"[[:<:]]": _BEGIN_OF_WORD, "[[:>:]]": _END_OF_WORD}
_EDGE = 7
_OPERATORS = frozenset("(){}+?|")
_BRACKET = re.compile(r"\[\^?\]?(?:\[:[a-z]+:\]|[^\]])*\]")


_REPEATS = frozenset("*+?{")
_IRREGULAR = re.compile(r"\\[1-9bB].*")
"""Back references, and edges of words."""
_LONGEST = 1000
"""Characters that are looked at where only Python's own search will do."""


class Regex:
    """A regular expression of a configuration; equal to one that is written the same."""

    def __init__(self, text: str, extended: bool, gnu: bool = True) -> None:
        """``gnu`` is how glibc reads it, otherwise as Spencer does; raises ValueError for what is none."""
        self.text, self.extended = text, extended
        self._pieces = _cut(text, extended, gnu)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self._python = re.compile("".join(self._pieces), re.IGNORECASE | re.DOTALL)
            repeats = not _REPEATS.isdisjoint(self._pieces)
            irregular = any(_IRREGULAR.fullmatch(piece) for piece in self._pieces)
            self._automaton = Automaton(self._pieces) if repeats and not irregular else None
        except (re.error, RecursionError, OverflowError, ValueError, Warning) as error:
            raise ValueError(f"/{text}/ is no regular expression: {error}") from None
        self._longest = _LONGEST if repeats else None

    def matches(self, subject: str) -> bool:
        """Tell whether it matches somewhere in a text."""
        if self._automaton is not None:
            return self._automaton.matches(subject)
        return self._python.search(subject[: self._longest]) is not None

    def groups(self, subject: str) -> tuple[str, ...]:
        """Return what its groups match in a text; nothing for what is too far from the begin."""
        if not self._python.groups:
            return ()
        found = self._python.search(subject[: self._longest])
        return ("",) * self._python.groups if found is None else found.groups("")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regex) and (self.text, self.extended) == (other.text, other.extended)

    def __hash__(self) -> int:
        return hash((self.text, self.extended))

    def __repr__(self) -> str:
        return f"Regex({self.text!r}, {self.extended})"


def _cut(text: str, extended: bool, gnu: bool) -> list[str]:
    made: list[str] = []
    at = 0
    escaped = _escaped if gnu else _escaped_of_spencer
    while at < len(text):
        if text[at] == "\\":
            piece, length = escaped(text, at, extended)
        elif not gnu and text[at : at + _EDGE] in _EDGES:
            piece, length = _EDGES[text[at : at + _EDGE]], _EDGE
        else:
            piece, length = _piece(text, at, extended, _begins(made))
        made.append(piece)
        at += length
    return made


def _begins(made: list[str]) -> bool:
    """Tell whether nothing stands before, in the expression or in its group: there ``*`` is itself."""
    return not made or made[-1] in ("(", "|", "^")


def _piece(text: str, at: int, extended: bool, begins: bool) -> tuple[str, int]:
    """Translate what stands at one place; return it, and how much of the text it was."""
    character = text[at]
    if character == "[":
        return _bracket(text, at)
    if character in _OPERATORS:
        return (character if extended else re.escape(character)), 1
    if character == "*":
        return (r"\*" if begins and not extended else "*"), 1
    if character == "^" and not extended and (not begins or text[at - 1 : at] == "^"):
        return r"\^", 1
    if character == "$" and not extended and text[at + 1 : at + 3] not in ("", "\\)", "\\|"):
        return r"\$", 1
    return (character if character in ".^$" else re.escape(character)), 1


def _escaped(text: str, at: int, extended: bool) -> tuple[str, int]:
    following = text[at + 1 : at + 2]
    if not following:
        raise ValueError(f"/{text}/ is no regular expression: it ends in a backslash")
    if following in _OPERATORS and not extended:
        return following, 2
    if following in "123456789wWsSbB":
        return "\\" + following, 2
    return {"<": _BEGIN_OF_WORD, ">": _END_OF_WORD}.get(following, re.escape(following)), 2


def _escaped_of_spencer(text: str, at: int, extended: bool) -> tuple[str, int]:
    """A letter would be just that letter, which nobody means who writes a backslash before it."""
    following = text[at + 1 : at + 2]
    if not following:
        raise ValueError(f"/{text}/ is no regular expression: it ends in a backslash")
    if not extended and following in "(){}":
        return following, 2
    if not extended and following in "123456789":
        return "\\" + following, 2
    if following.isascii() and following.isalnum():
        raise ValueError(f"/{text}/ is no regular expression: there is no \\{following} in POSIX")
    return re.escape(following), 2


def _bracket(text: str, at: int) -> tuple[str, int]:
    found = _BRACKET.match(text, at)
    if found is None:
        raise ValueError(f"/{text}/ is no regular expression: [ without ]")
    inside = found[0][1:-1]
    negated = "^" if inside.startswith("^") else ""
    parts = re.split(r"\[:([a-z]+):\]", inside[len(negated) :])
    made = [re.sub(r"([\\\[\]^&~|])", r"\\\1", part) for part in parts[::2]]
    for name in parts[1::2]:
        if name not in _CLASSES:
            raise ValueError(f"/{text}/ is no regular expression: there is no class [:{name}:]")
    classes = [_CLASSES[name] for name in parts[1::2]] + [""]
    return "[" + negated + "".join(a + b for a, b in zip(made, classes, strict=True)) + "]", len(found[0])
