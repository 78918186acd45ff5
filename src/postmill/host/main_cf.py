"""Changing parameters in the text of a main.cf, so that comments and the order of lines stay as they are.

What a parameter amounts to is not told here but by postconf (`postfix`). Where one is set more than once, the
last one counts for Postfix and is the one that is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postmill.host.logical_lines import BLANKS, LogicalLine, logical_lines, physical_lines


def written(text: str) -> dict[str, str]:
    """Return the parameters that a main.cf sets, ``$name`` not expanded."""
    return {name: value for name, value, _ in _assignments(physical_lines(text))}


def repeated(text: str) -> dict[str, tuple[int, ...]]:
    """Return the parameters that are set more than once, with the numbers of their lines from 1."""
    places: dict[str, tuple[int, ...]] = {}
    for name, _, line in _assignments(physical_lines(text)):
        places[name] = (*places.get(name, ()), line.numbers[0] + 1)
    return {name: numbers for name, numbers in places.items() if len(numbers) > 1}


def set_parameters(text: str, values: Mapping[str, str], comment: str = "") -> str:
    """Set parameters, each on one line; those that have this value already are not touched.

    One that is set is changed where it stands. The others follow the first of those, or stand at the end
    under ``comment``.
    """
    lines = physical_lines(text)
    places = {name: (value, line) for name, value, line in _assignments(lines)}
    missing = "".join(f"{name} = {value}\n" for name, value in values.items() if name not in places)
    anchor = None
    for name, value in values.items():
        if name in places:
            end = _put(lines, *places[name], f"{name} = {value}")
            anchor = end if anchor is None else anchor
    if missing and anchor is not None:
        lines[anchor] = _ended(lines[anchor]) + missing
    elif missing:
        head = [_ended(lines.pop()), "\n"] if lines else []
        lines += [*head, f"# {comment}\n" if comment else "", missing]
    return "".join(lines)


def _assignments(lines: list[str]) -> Iterator[tuple[str, str, LogicalLine]]:
    for line in logical_lines(lines):
        name, _, value = line.text.partition("=")
        if line.text[0] not in BLANKS:  # such a line at the top of the file is ignored by Postfix
            yield name.strip(BLANKS), value.strip(BLANKS), line


def _put(lines: list[str], old: str, place: LogicalLine, new: str) -> int:
    """Write one line in the place of a logical one, if it says something else; return where that ended."""
    if new.partition(" = ")[2] == old:
        return place.numbers[-1]
    first, *others = place.numbers
    ending = lines[first][len(lines[first].rstrip("\r\n")) :]
    lines[first] = new + ending
    for number in others:
        lines[number] = ""
    return place.numbers[-1]


def _ended(line: str) -> str:
    return line if line.endswith("\n") or not line else line + "\n"
