"""POSIX regular expressions (basic and extended, as regcomp(3) of glibc has them) as Python's.

milter-greylist compares without regard to case; so do these.
"""

from __future__ import annotations

import re
import warnings

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
_OPERATORS = frozenset("(){}+?|")
_BRACKET = re.compile(r"\[\^?\]?(?:\[:[a-z]+:\]|[^\]])*\]")


def compiled(text: str, extended: bool) -> re.Pattern[str]:
    """Return what matches as the POSIX expression does; raises ValueError where that is none."""
    python = _translate(text, extended)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(python, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"/{text}/ is no regular expression: {error}") from None


def _translate(text: str, extended: bool) -> str:
    made: list[str] = []
    at = 0
    while at < len(text):
        piece, length = _piece(text, at, extended, _begins(made))
        made.append(piece)
        at += length
    return "".join(made)


def _begins(made: list[str]) -> bool:
    """Tell whether nothing stands before, in the expression or in its group: there ``*`` is itself."""
    return not made or made[-1] in ("(", "|", "^")


def _piece(text: str, at: int, extended: bool, begins: bool) -> tuple[str, int]:
    """Translate what stands at one place; return it, and how much of the text it was."""
    character = text[at]
    if character == "[":
        return _bracket(text, at)
    if character == "\\":
        return _escaped(text, at, extended)
    if character in _OPERATORS:
        return (character if extended else re.escape(character)), 1
    if character == "*":
        return (r"\*" if begins and not extended else "*"), 1
    if character == "^" and not extended and not begins:
        return r"\^", 1
    if character == "$" and not extended and text[at + 1 :] and not text.startswith("\\)", at + 1):
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
    return {"<": r"\b(?=\w)", ">": r"\b(?<=\w)"}.get(following, re.escape(following)), 2


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
