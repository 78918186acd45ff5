"""Which numbers are kept over time: one series for each, of what a tally has counted.

A series is a path of names, as ``("messages", "reject")`` or ``("child", "spam", "errors", "timeout")``,
and is kept in a file of that path. Counts are kept for each minute, and so are the minutes for which sessions
were open, which is how many were open at once; times are percentiles in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from postmill.record import Tally, percentile
from postmill.record.tally import ChildTally

Series = tuple[str, ...]

TIMES = "times"
MOST_OPEN = ("open", "most")
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_LONGEST = 120
"""Characters of a file's name; what is longer is cut, and marked with a hash of the whole."""


def is_time(series: Series) -> bool:
    """Whether it is a time, of which there is none where nothing happened, and not a count."""
    return TIMES in series[2:3]


def is_level(series: Series) -> bool:
    """Whether it is as high as it is however long the span, and not so many in a minute."""
    return series == MOST_OPEN or is_time(series)


def numbers(tally: Tally) -> Iterator[tuple[Series, float]]:
    """Yield every number of a tally: counts as they are, times in milliseconds."""
    yield ("sessions", "sessions"), tally.sessions
    yield ("open", "sessions"), tally.open_seconds / 60
    yield MOST_OPEN, tally.most_open
    for group in ("messages", "connections", "tagged", "findings"):
        for name, count in getattr(tally, group).items():
            yield (group, name), count
    for name, child in tally.children.items():
        for series, number in _of_child(child):
            yield ("child", name, *series), number


def _of_child(child: ChildTally) -> Iterator[tuple[Series, float]]:
    for group in ("verdicts", "decided", "skipped", "errors", "evaluated", "findings"):
        for name, count in getattr(child, group).items():
            yield (group, name), count
    for stage, histogram in child.times.items():
        for name, share in PERCENTILES.items():
            yield (TIMES, stage, name), percentile(histogram, share)


def file_of(series: Series) -> str:
    """Return the name of its file, with folders."""
    return "/".join(map(_safe, series)) + ".rrd"


def series_of(file: PurePosixPath) -> Series:
    """Return the series of a file's name with its folders."""
    return tuple(unquote(part) for part in file.with_name(file.name.removesuffix(".rrd")).parts)


def _safe(name: str) -> str:
    """Return a name that no file system, shell or rrdtool reads in another way."""
    safe = quote(name or "-", safe="", errors="replace").replace(".", "%2E").replace("~", "%7E")
    if len(safe) <= _LONGEST:
        return safe
    mark = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{re.sub('%.?.?$', '', safe[: _LONGEST - 20])}-{mark}"
