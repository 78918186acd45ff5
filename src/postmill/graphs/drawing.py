"""Drawing a panel with rrdtool (rrdgraph(1)): its numbers first, then a picture for each theme."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from postmill.graphs.databases import STEP
from postmill.graphs.palette import MOST, OTHERS, THEMES, VERDICT, Colour, Theme, nth
from postmill.graphs.panels import MILLISECONDS, STACKED, Line, Panel, Section
from postmill.graphs.rrdtool import Rrdtool
from postmill.graphs.series import file_of

WIDTH, HEIGHT = 420, 170
"""Of a picture on the page; it has twice as many pixels each way."""
_NO_FILE = "numbers"
"""rrdtool makes no file where there is nothing to draw, but wants a name for it."""
_FONT = "DejaVu Sans,Verdana,sans"


@dataclass(frozen=True, slots=True)
class Period:
    """How far back a page looks."""

    name: str
    title: str
    seconds: int
    unit: str
    """For what rates are given."""
    minutes: int
    """Minutes in that unit."""


PERIODS = (
    Period("hour", "Hour", 3600, "minute", 1),
    Period("day", "Day", 86400, "minute", 1),
    Period("week", "Week", 7 * 86400, "hour", 60),
    Period("month", "Month", 31 * 86400, "hour", 60),
    Period("year", "Year", 366 * 86400, "day", 1440),
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a series comes to in a period; counts, or milliseconds. NaN where nothing is known."""

    total: float
    mean: float
    """Per unit of the period, or the mean of the times."""
    peak: float
    """The most in one minute."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel of which there are pictures."""

    panel: Panel
    file: str
    """The pictures' name up to the theme."""
    rows: tuple[tuple[Line, Colour, Numbers], ...]
    """What is in it, the topmost first."""


def draw(
    tool: Rrdtool, section: Section, panel: Panel, period: Period, until: int, pictures: str
) -> Drawn | None:
    """Draw a panel for the time that ends with ``until``; None when there is nothing in it.

    ``pictures`` is where they are put, as rrdtool is told. Raises RrdtoolError.
    """
    span = ("--start", str(until - period.seconds), "--end", str(until))
    numbers = _numbers(tool, panel, period, span)
    present = [(line, each) for line, each in zip(panel.lines, numbers, strict=True) if each.peak > 0]
    if not present:
        return None
    rows = _coloured(present)
    file = _file_name(period.name, *section.key, panel.key)
    for theme in THEMES:
        name = f"{pictures}/{file}-{theme.name}.png"
        tool.do("graph", name, *span, *_look(theme, panel), *_lines(panel, rows, theme, period))
    return Drawn(panel, file, rows if panel.style != STACKED else rows[::-1])


def _numbers(tool: Rrdtool, panel: Panel, period: Period, span: Sequence[str]) -> list[Numbers]:
    words: list[str] = []
    for place, line in enumerate(panel.lines):
        words += [
            *_definitions(place, line),
            f"VDEF:t{place}=a{place},TOTAL",
            f"VDEF:v{place}=a{place},AVERAGE",
        ]
        words += [f"VDEF:x{place}=m{place},MAXIMUM"]
        words += [f"PRINT:{kind}{place}:%.6le" for kind in "tvx"]
    printed = [
        float(text)
        for text in tool.do("graph", _NO_FILE, *span, "--width", "1000", *words)[-3 * len(panel.lines) :]
    ]
    found = zip(printed[::3], printed[1::3], printed[2::3], strict=True)
    scale = 1 if panel.unit else period.minutes
    return [Numbers(_or_none(total) / STEP, mean * scale, _or_none(peak)) for total, mean, peak in found]


def _or_none(number: float) -> float:
    return 0.0 if math.isnan(number) else number


def _definitions(place: int, line: Line) -> list[str]:
    file = file_of(line.series)
    usual = "MAX" if line.peak else "AVERAGE"
    return [f"DEF:a{place}={file}:n:{usual}", f"DEF:m{place}={file}:n:MAX"]


def _coloured(present: Sequence[tuple[Line, Numbers]]) -> tuple[tuple[Line, Colour, Numbers], ...]:
    """Give each line its colour: a verdict's own, the largest others one of the row."""
    largest = sorted((pair for pair in present if not pair[0].verdict), key=lambda pair: -pair[1].total)
    places = {line.series: place for place, (line, _) in enumerate(largest)}

    def colour(line: Line) -> Colour:
        if line.verdict:
            return VERDICT[line.verdict]
        place = places[line.series]
        return nth(place) if place < MOST or len(largest) == MOST else OTHERS

    ordered = [pair for pair in present if pair[0].verdict] + largest
    return tuple((line, colour(line), numbers) for line, numbers in ordered)


def _look(theme: Theme, panel: Panel) -> list[str]:
    clear = "#00000000"
    colours = {
        **dict.fromkeys(("BACK", "CANVAS", "SHADEA", "SHADEB", "FRAME", "ARROW"), clear),
        **{"FONT": theme.text, "GRID": theme.grid, "MGRID": theme.major, "AXIS": theme.axis},
    }
    words = ["--full-size-mode", "--width", str(WIDTH), "--height", str(HEIGHT), "--zoom", "2"]
    words += ["--border", "0", "--no-legend", "--disable-rrdtool-tag", "--grid-dash", "1:0"]
    words += ["--units-length", "6", "--font", f"DEFAULT:8:{_FONT}"]
    if panel.unit == MILLISECONDS:
        words += ["--logarithmic", "--units", "si"]
    else:
        words += ["--lower-limit", "0", "--slope-mode", "--units-exponent", "0"]
    for name, colour in colours.items():
        words += ["--color", f"{name}{colour}"]
    return words


def _lines(
    panel: Panel, rows: Sequence[tuple[Line, Colour, Numbers]], theme: Theme, period: Period
) -> list[str]:
    scale = 1 if panel.unit else period.minutes
    words: list[str] = []
    for place, (line, _, _) in enumerate(rows):
        known = f"a{place}" if panel.unit == MILLISECONDS else f"a{place},UN,0,a{place},IF"
        words += [_definitions(place, line)[0], f"CDEF:c{place}={known},{scale},*"]
    for place, (_, colour, _) in enumerate(rows):
        shade = colour.light if theme.name == "light" else colour.dark
        if panel.style == STACKED:
            words.append(f"AREA:c{place}{shade}{':' if not place else '::STACK'}")
        else:
            words.append(f"LINE1.5:c{place}{shade}")
    return words


def _file_name(*parts: str) -> str:
    """Return a name that is the same in a file system and in a page."""
    text = "-".join(parts)
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", text)[:80]
    return plain if plain == text else f"{plain}-{blake2b(text.encode(), digest_size=6).hexdigest()}"
