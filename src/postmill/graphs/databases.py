"""The RRDtool databases: one file for each series, all up to the same minute.

Archives: minutes for two days, ten minutes for nine days, hours for forty days, days for two years; each with
mean and peak. A count is kept as a number for each minute; where nothing was counted it is 0, a time unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath

from postmill.graphs.rrdtool import Rrdtool
from postmill.graphs.series import Series, file_of, is_level, is_time, numbers, series_of
from postmill.record import Tally

STEP = 60
DAY = 86400
ARCHIVES = ((1, 2 * 1440 + 60), (10, 9 * 144), (60, 40 * 24), (1440, 2 * 366))
"""Minutes in a cell, and cells."""
_SILENCE = 20 * 366 * DAY
"""Seconds without a word after which a number is unknown: never, as what is not counted is told, too."""
_KNOWN = "0.9999"
"""Share of a cell that may be unknown: a time is known in the minutes with mail only."""
_AT_ONCE = 1000
"""Points in one command."""

Spans = Mapping[tuple[int, int], Tally]
"""What was counted, by the beginning and the length of a span, in seconds; spans do not overlap."""


def all_series(directory: Path) -> list[Series]:
    """Return the series that are kept below a directory, in order."""
    return sorted(
        series_of(PurePosixPath(file.relative_to(directory).as_posix())) for file in directory.rglob("*.rrd")
    )


def store(tool: Rrdtool, directory: Path, spans: Spans, since: int, until: int) -> None:
    """Add what was counted from ``since``, where the databases end, up to ``until``; minutes begin there.

    A database that is already further is left as it is. Raises RrdtoolError.
    """
    columns: dict[Series, dict[tuple[int, int], float]] = {series: {} for series in all_series(directory)}
    for span, tally in sorted(spans.items()):
        for series, number in numbers(tally):
            per_minute = number if is_level(series) else number * STEP / span[1]
            columns.setdefault(series, {})[span] = per_minute
    for series, cells in columns.items():
        file = file_of(series)
        if not (directory / file).exists():
            _create(tool, directory, file, since)
        points = _points(cells, since, until, "U" if is_time(series) else "0")
        while some := list(islice(points, _AT_ONCE)):
            tool.do("update", "--skip-past-updates", file, *some)


def _create(tool: Rrdtool, directory: Path, file: str, since: int) -> None:
    (directory / file).parent.mkdir(parents=True, exist_ok=True)
    archives = [
        f"RRA:{kind}:{_KNOWN}:{minutes}:{cells}" for kind in ("AVERAGE", "MAX") for minutes, cells in ARCHIVES
    ]
    start = since // DAY * DAY - DAY  # a whole day before, lest the first cells be means of a part
    source = f"DS:n:GAUGE:{_SILENCE}:0:U"
    tool.do("create", file, "--start", str(start), "--step", str(STEP), source, *archives)


def _points(cells: Mapping[tuple[int, int], float], since: int, until: int, nothing: str) -> Iterator[str]:
    """Yield ``end:number`` for each span, with what is in between."""
    end = since
    yield f"{since}:{nothing}"
    for (start, length), number in cells.items():
        if start > end:
            yield f"{start}:{nothing}"
        yield f"{start + length}:{number:.6g}"
        end = start + length
    if until > end:
        yield f"{until}:{nothing}"
