"""Changing what services set for themselves with ``-o`` in the text of a master.cf. master(5), "SYNTAX"."""

from __future__ import annotations

import re
from collections.abc import Callable

from postmill.host.logical_lines import LogicalLine, logical_lines, physical_lines


def edit_overrides(text: str, parameter: str, edit: Callable[[str], str]) -> str:
    """Put the value that each ``-o parameter=value`` has through ``edit``; all else stays as it is.

    Both ``-o name=value`` and ``-o { name = value }`` are understood; without braces the result is written
    without blanks.
    """
    lines = physical_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    for place in reversed(logical_lines(lines)):
        start, end = offsets[place.numbers[0]], offsets[place.numbers[-1] + 1]
        text = text[:start] + _edited(_masked(lines, place), text[start:end], parameter, edit) + text[end:]
    return text


def _masked(lines: list[str], place: LogicalLine) -> str:
    """The text of a logical line from its first to its last character, comments inside it blanked out."""
    inside = range(place.numbers[0], place.numbers[-1] + 1)
    return "".join(
        lines[number] if number in place.numbers else re.sub(r"[^\n]", " ", lines[number])
        for number in inside
    )


def _edited(masked: str, text: str, parameter: str, edit: Callable[[str], str]) -> str:
    name = re.escape(parameter)
    form = (
        rf"\s-o\s*(?:{name}=(?P<bare>\S*)|\{{\s*{name}\s*=\s*(?P<braced>(?:[^{{}}]|\{{[^{{}}]*\}})*?)\s*\}})"
    )
    for found in reversed(list(re.finditer(form, masked))):
        group = "bare" if found["bare"] is not None else "braced"
        old, (start, end) = found[group], found.span(group)
        new = edit(" ".join(old.split()))
        if new != " ".join(old.split()):
            text = text[:start] + (new if group == "braced" else re.sub(r"\s+", "", new)) + text[end:]
    return text
