"""Command lines of programs: options as getopt(3) and getopt_long(3) read them, the last of a kind wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postmill.detectors.readers.values import UNKNOWN, Value


@dataclass(slots=True)
class Options:
    """What was given."""

    values: dict[str, Value] = field(default_factory=dict)
    operands: list[Value] = field(default_factory=list)

    def get(self, *names: str) -> Value | None:
        """Return the value of the first of these options that was given and is known."""
        found = (self.values.get(name) for name in names)
        return next((value for value in found if value is not None and value.is_known), None)


def read_options(words: Sequence[Value], letters: str, long: Mapping[str, str] | None = None) -> Options:
    """Read the arguments of a program.

    ``letters`` is the string for getopt(3); ``long`` gives for the name of each long option that takes a
    value the letter, or any other word, under which it is kept.
    """
    options = Options()
    rest = [word for word in words if word.text != ""]
    while rest:
        word = rest.pop(0)
        if word.text == "--":
            options.operands += rest
            break
        if word.text.startswith("--"):
            _read_long(options, word, rest, long or {})
        elif word.text.startswith("-") and word.text != "-":
            _read_letters(options, word, rest, letters)
        elif word.text != UNKNOWN:
            options.operands.append(word)
    return options


def _read_long(options: Options, word: Value, rest: list[Value], long: Mapping[str, str]) -> None:
    name, equals, text = word.text[2:].partition("=")
    if name not in long:
        return
    if equals:
        options.values[long[name]] = Value(text, word.source)
    elif rest:
        options.values[long[name]] = rest.pop(0)


def _read_letters(options: Options, word: Value, rest: list[Value], letters: str) -> None:
    for at, letter in enumerate(word.text[1:], 1):
        if letter == ":" or f"{letter}:" not in letters:
            continue
        attached = word.text[at + 1 :]
        if attached:
            options.values[letter] = Value(attached, word.source)
        elif rest:
            options.values[letter] = rest.pop(0)
        return
