"""A real rrdtool for tests, and counts to feed it with."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from postmill.graphs.rrdtool import Rrdtool
from postmill.graphs.series import Series, file_of
from postmill.history import open_database
from postmill.history.tables import pack
from postmill.record import Answer, ChildRecord, MessageRecord, Tally

NOW = 1_790_000_100
"""Ten hours and fifteen minutes after midnight, UTC."""

real_rrdtool = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("rrdtool") is None, reason="rrdtool is not installed"),
]


def tally(accepted: int = 1, rejected: int = 0, ms: float = 10.0, name: str = "spam") -> Tally:
    """So many messages, each shown to one child."""
    whole = Tally()
    for verdict in ["accept"] * accepted + ["reject"] * rejected:
        said = "reject" if verdict == "reject" else "continue"
        child = ChildRecord(name, [Answer("end-of-message", said, ms)])
        record = MessageRecord(sender="<a@example.com>", verdict=verdict, children={name: child})
        record.by = name if verdict == "reject" else ""
        whole.add(record, 1.0)
    whole.sessions = accepted + rejected
    whole.open_seconds = 30.0 * whole.sessions
    whole.most_open = whole.sessions + 1
    return whole


def put(url: str, *counts: tuple[int, int, Tally], host: str = "mx1") -> None:
    """Store counts in a history as workers do: beginning, length, tally."""
    database = open_database(url, writes=True)
    rows = [(start, span, host, pack(one.as_dict())) for start, span, one in counts]
    with database.transaction():
        database.many("INSERT INTO {p}counts VALUES (?, ?, ?, ?)", rows)
    database.close()


def fetched(directory: Path, series: Series, start: int, end: int, kind: str = "AVERAGE") -> dict[int, float]:
    """What a database says of each minute, by its beginning; unknown minutes are left out."""
    with Rrdtool(directory) as tool:
        lines = tool.do("fetch", file_of(series), kind, "--start", str(start), "--end", str(end - 1))
    cells = (line.split(": ") for line in lines if ": " in line)
    numbers = {int(time) - 60: float(number) for time, number in cells}
    return {time: number for time, number in numbers.items() if not math.isnan(number)}


def total(directory: Path, series: Series, start: int, end: int) -> float:
    """How many a database counts between two minutes, the second one not included."""
    return round(sum(fetched(directory, series, start, end).values()), 3)
