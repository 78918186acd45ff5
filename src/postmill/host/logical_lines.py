"""The logical lines of main.cf and master.cf in their text: where each begins, goes on and ends.

A line that begins with white space goes on with the logical line before it. Comments and empty lines belong
to none and end none: `#` between two continuation lines is common. postconf(5), "DESCRIPTION".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BLANKS = " \t\r\f\v"
"""What Postfix takes for white space within a line."""


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One logical line of a text."""

    numbers: tuple[int, ...]
    """The physical lines that make it, counted from 0, without the comments and empty lines between them."""
    text: str
    """Its physical lines put together."""


def physical_lines(text: str) -> list[str]:
    """Split a text at its newlines, which stay; nothing else ends a line."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def logical_lines(lines: Sequence[str]) -> list[LogicalLine]:
    """Find the logical lines among physical ones, in order."""
    found: list[list[int]] = []
    for number, line in enumerate(lines):
        bare = line.strip(BLANKS + "\n")
        if not bare or bare.startswith("#"):
            continue
        if line[0] in BLANKS and found:
            found[-1].append(number)
        else:
            found.append([number])
    return [
        LogicalLine(tuple(numbers), "".join(lines[number].rstrip("\n") for number in numbers))
        for numbers in found
    ]
