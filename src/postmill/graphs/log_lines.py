"""Lines of a log, whoever wrote them down: who said what, where and when.

Read are files of syslog (with the time stamps of RFC 3164, which have no year, or of RFC 3339), our own lines
on the standard error output, as text or JSON, and what `journalctl` prints (short, json, export). What is
none of these is left out without a word.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple, cast

PROGRAMS = ("postmill", "milter-manager")
_LONGEST = 1 << 20
"""Bytes read of one line; a log has no longer ones."""
_GZIP = b"\x1f\x8b"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE = re.compile(
    r"(?:<\d+>)?"
    r"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d)?) "
    r"(?:(?P<host>[^\s\[]*[^\s\[:]) )?(?P<program>[^\s:\[]+)(?:\[\d+\])?: "
    r"(?:\[ID \d+ \w+\.\w+\] )?(?P<text>.*)"
)
_DAY = 86400


class Logged(NamedTuple):
    """One line: seconds of the wall clock, host (may be empty), program, text."""

    time: float
    host: str
    program: str
    text: str


@contextmanager
def opened(name: str) -> Iterator[tuple[IO[bytes], float]]:
    """Open a log, unpacked, and say when it was last written to; - is the standard input. Raises OSError."""
    if name == "-":
        yield sys.stdin.buffer, time.time()
        return
    with Path(name).open("rb") as file:
        written = Path(name).stat().st_mtime
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            yield file, written
            return
        with gzip.open(file) as plain:
            yield cast(IO[bytes], plain), written


def logged(file: IO[bytes], newest: float) -> Iterator[Logged]:
    """Yield the lines of our two programs, the last from ``newest``; raises OSError, EOFError."""
    lines = iter(lambda: file.readline(_LONGEST), b"")
    for raw in lines:
        if raw.startswith(b"__CURSOR="):
            yield from _exported(raw, file)
        elif raw.startswith(b"{"):
            yield from _from_json(raw)
        elif any(name.encode() in raw for name in PROGRAMS):
            yield from _from_text(raw.decode("utf-8", "replace").rstrip("\r\n"), newest)


def _from_text(line: str, newest: float) -> Iterator[Logged]:
    found = _LINE.fullmatch(line)
    if found is None or found["program"] not in PROGRAMS:
        return
    stamp = found["stamp"]
    when = _with_date(stamp) if stamp[0].isdigit() else _without_year(stamp, int(newest) // _DAY)
    if when is not None:
        yield Logged(when, found["host"] or "", found["program"], found["text"])


@lru_cache(4)
def _with_date(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp.replace(",", ".")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(4)
def _without_year(stamp: str, newest: int) -> float | None:
    """Return when it was: in the last year in which it is no later than a day after ``newest``, in days."""
    month, day, clock = stamp[:3], int(stamp[4:6]), stamp[7:]
    if month not in _MONTHS:
        return None
    year = time.localtime((newest + 1) * _DAY).tm_year
    for one in range(year, year - 9, -1):
        try:
            moment = datetime.fromisoformat(f"{one}-{_MONTHS.index(month) + 1:02d}-{day:02d}T{clock}")
        except ValueError:  # the 29th of February, or nonsense
            continue
        if moment.timestamp() <= (newest + 2) * _DAY:
            return moment.timestamp()
    return None


def _from_json(raw: bytes) -> Iterator[Logged]:
    try:
        data = json.loads(raw)
        if "__REALTIME_TIMESTAMP" in data:
            yield from _from_journal(data)
        elif "message" in data and (when := _with_date(data["time"])) is not None:
            yield Logged(when, "", PROGRAMS[0], raw.decode("utf-8", "replace"))
    except (ValueError, TypeError, AttributeError, KeyError):
        return


def _from_journal(data: dict[str, str]) -> Iterator[Logged]:
    program = data.get("SYSLOG_IDENTIFIER", "")
    if program in PROGRAMS:
        when = int(data["__REALTIME_TIMESTAMP"]) / 1e6
        yield Logged(when, data.get("_HOSTNAME", ""), program, str(data["MESSAGE"]))


def _exported(first: bytes, file: IO[bytes]) -> Iterator[Logged]:
    """Yield one entry of the journal's export format: fields up to an empty line."""
    fields: dict[str, str] = {}
    for raw in _entry(first, file):
        name, is_text, value = raw.rstrip(b"\n").partition(b"=")
        if not is_text:
            (size,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            value = file.read(min(size, _LONGEST))
            file.readline(_LONGEST)
        fields[name.decode("ascii", "replace")] = value.decode("utf-8", "replace")
    try:
        yield from _from_journal(fields)
    except (ValueError, KeyError):
        return


def _entry(first: bytes, file: IO[bytes]) -> Iterable[bytes]:
    yield first
    while (raw := file.readline(_LONGEST)).strip():
        yield raw
