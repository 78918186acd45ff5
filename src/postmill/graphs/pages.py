"""The pages: one for each period, static, without a script and with nothing fetched from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from postmill.graphs.drawing import HEIGHT, PERIODS, WIDTH, Drawn, Numbers, Period
from postmill.graphs.palette import Colour
from postmill.graphs.panels import Line, Section

INDEX = "day"
"""The period that is shown first."""
_EVERY = 300
"""Seconds after which a browser loads a page again."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A section with what is drawn of it in one period."""

    section: Section
    panels: tuple[Drawn, ...]


def file_name(period: Period) -> str:
    """Return the name of a period's page."""
    return "index.html" if period.name == INDEX else f"{period.name}.html"


def page(title: str, period: Period, shown: Sequence[Shown], until: int) -> str:
    """Return the page of one period; ``until`` is when its counts end."""
    style = files("postmill.graphs").joinpath("style.css").read_text("utf-8")
    stamp = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(until))
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="refresh" content="{_EVERY}">\n<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}: {period.title.lower()}</title>\n<style>\n{style}</style>\n</head>\n<body>",
        f"<header>\n<h1>{escape(title)}</h1>\n{_periods(period)}",
        f'<p class="note">One {period.title.lower()}, up to {stamp}.</p>',
        f"{_contents(shown)}</header>\n<main>",
        *(_section(place, one, period) for place, one in enumerate(shown)),
    ]
    if not shown:
        parts.append(f'<p class="empty">Nothing was counted in this {period.title.lower()}.</p>')
    return "\n".join([*parts, "</main>\n<footer>Drawn by RRDtool.</footer>\n</body>\n</html>\n"])


def _periods(current: Period) -> str:
    def link(period: Period) -> str:
        here = ' aria-current="page"' if period is current else ""
        return f'<a href="{file_name(period)}"{here}>{period.title}</a>'

    return f'<nav aria-label="Period">{"".join(map(link, PERIODS))}</nav>'


def _contents(shown: Sequence[Shown]) -> str:
    if len(shown) < 2:
        return ""
    links = (f'<a href="#s{place}">{escape(one.section.title)}</a>' for place, one in enumerate(shown))
    return f'<nav class="contents" aria-label="Sections">{"".join(links)}</nav>\n'


def _section(place: int, one: Shown, period: Period) -> str:
    figures = "\n".join(_figure(drawn, period) for drawn in one.panels)
    return (
        f'<section id="s{place}">\n<h2>{escape(one.section.title)}</h2>\n<div>\n{figures}\n</div>\n</section>'
    )


def _figure(drawn: Drawn, period: Period) -> str:
    panel = drawn.panel
    unit = panel.unit or f"per {period.unit}"
    described = ", ".join(f"{line.label} {_main(panel.unit, each)}" for line, _, each in drawn.rows)
    return "\n".join(
        (
            f"<figure>\n<figcaption><b>{escape(panel.title)}</b><span>{unit}</span>"
            f"<small>{escape(panel.note)}</small></figcaption>",
            f'<picture><source srcset="{drawn.file}-dark.png" media="(prefers-color-scheme: dark)">'
            f'<img src="{drawn.file}-light.png" width="{WIDTH}" height="{HEIGHT}" loading="lazy" '
            f'alt="{escape(f"{panel.title}: {described}")}"></picture>',
            _table(drawn, period),
            "</figure>",
        )
    )


def _main(unit: str, numbers: Numbers) -> str:
    return f"{amount(numbers.mean)} {unit}" if unit else amount(numbers.total)


def _table(drawn: Drawn, period: Period) -> str:
    heads = ("mean", "peak") if drawn.panel.unit else ("total", f"a {period.unit}", "peak/min")
    head = "".join(f'<th scope="col">{text}</th>' for text in ("", *heads))
    rows = "\n".join(_row(line, colour, _cells(drawn, each)) for line, colour, each in drawn.rows)
    return f"<table>\n<tr>{head}</tr>\n{rows}\n</table>"


def _cells(drawn: Drawn, numbers: Numbers) -> Iterator[float]:
    if not drawn.panel.unit:
        yield round(numbers.total)
    yield numbers.mean
    yield numbers.peak


def _row(line: Line, colour: Colour, cells: Iterable[float]) -> str:
    mark = f'<i style="--light:{colour.light};--dark:{colour.dark}"></i>'
    numbers = "".join(f"<td>{amount(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{mark}{escape(line.label)}</th>{numbers}</tr>'


def amount(number: float) -> str:
    """Return a number with as many digits as say something: 12,345 or 3.2 or 0.04."""
    if number >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1 else f"{number:.2g}"
