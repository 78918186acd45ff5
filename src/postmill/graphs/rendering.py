"""All pictures and pages, of what the databases have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from postmill.graphs.databases import DAY, STEP, all_series
from postmill.graphs.drawing import PERIODS, WIDTH, Drawn, Period, draw
from postmill.graphs.pages import Shown, file_name, page
from postmill.graphs.palette import THEMES
from postmill.graphs.panels import Section, sections
from postmill.graphs.rrdtool import Rrdtool
from postmill.graphs.store import Store, remove_others, telling, write

_PICTURES = PurePosixPath("..", "..", "html")
"""Seen from the databases."""


def due(place: Store, now: float) -> list[Period]:
    """Return the periods whose pages are so old that their pictures would be another column further."""
    return [
        period
        for period in PERIODS
        if now - place.written(file_name(period)) >= min(period.seconds / WIDTH, DAY / 2)
    ]


def render(place: Store, title: str, now: float, periods: Iterable[Period] = PERIODS) -> list[str]:
    """Draw everything up to the last update or, without one, to now; return the names of the pages.

    Pictures that are not on a page any more are removed. The place must be locked. Raises UnavailableError.
    """
    until = place.until or int(now) // STEP * STEP
    drawn = sections(all_series(place.databases))
    pages: list[str] = []
    with Rrdtool(place.databases) as tool, telling(place.html):
        for period in periods:
            shown = [one for section in drawn if (one := _shown(tool, section, period, until)).panels]
            write(place.html / file_name(period), page(title, period, shown, until).encode())
            remove_others(
                place.html, f"{period.name}-*.png", _pictures(one for each in shown for one in each.panels)
            )
            pages.append(file_name(period))
    return pages


def _shown(tool: Rrdtool, section: Section, period: Period, until: int) -> Shown:
    panels = (draw(tool, section, panel, period, until, str(_PICTURES)) for panel in section.panels)
    return Shown(section, tuple(panel for panel in panels if panel is not None))


def _pictures(drawn: Iterable[Drawn]) -> set[str]:
    return {f"{one.file}-{theme.name}.png" for one in drawn for theme in THEMES}
