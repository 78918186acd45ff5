"""Kinds of values for times of the week: days, hours, time zones. What is long or short is ``Duration``.

A time zone is looked up among the machine's own when the configuration is loaded; nothing here asks for the
present time, which comes by the port ``Clock``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from postmill.api.kinds import either, quoted

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Days:
    """Some days in a row; 0 and 7 are Monday, and ``last`` may be before ``first``: Saturday to Monday."""

    first: int
    last: int

    def __contains__(self, day: int) -> bool:
        return (day - self.first) % 7 <= (self.last - self.first) % 7

    def __str__(self) -> str:
        names = WEEKDAYS[self.first], WEEKDAYS[self.last]
        return names[0] if self.first == self.last else "-".join(names)


@dataclass(frozen=True, slots=True)
class Weekdays:
    """A day of the week, or several in a row."""

    allowed: str = f'{either([quoted(day) for day in WEEKDAYS])}, or some in a row such as "mon-fri"'

    def parse(self, raw: Any) -> Days:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        named = [part.strip() for part in raw.lower().split("-")]
        if len(named) > 2 or not all(day in WEEKDAYS for day in named):
            raise ValueError
        return Days(WEEKDAYS.index(named[0]), WEEKDAYS.index(named[-1]))

    def show(self, value: Days) -> str:
        """See ``Kind``."""
        return quoted(str(value))


@dataclass(frozen=True, slots=True)
class Span:
    """From one minute of the day up to another, which is not in it; over midnight where that is earlier."""

    start: int
    end: int

    @property
    def crosses_midnight(self) -> bool:
        """Whether it ends on the next day."""
        return self.end <= self.start

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of the day."""

    allowed: str = (
        'hours such as "08:00-17:30", "22:00-06:00" over midnight, or "00:00-24:00" for the whole day'
    )

    def parse(self, raw: Any) -> Span:
        """See ``Kind``."""
        part = r"\s*(\d\d?):(\d\d)\s*"
        found = re.fullmatch(f"{part}-{part}", raw, re.ASCII) if isinstance(raw, str) else None
        if found is None or int(found[2]) > 59 or int(found[4]) > 59:
            raise ValueError
        start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if start >= MINUTES_OF_A_DAY or end > MINUTES_OF_A_DAY or start == end:
            raise ValueError
        return Span(start, end)

    def show(self, value: Span) -> str:
        """See ``Kind``."""
        return quoted(str(value))


@dataclass(frozen=True, slots=True)
class TimeZone:
    """A time zone by its name; None, written as an empty string, is the machine's own."""

    allowed: str = 'a time zone such as "Europe/Berlin", or "" for the machine\'s own'

    def parse(self, raw: Any) -> ZoneInfo | None:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        if not raw:
            return None
        try:
            return ZoneInfo(raw)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"this machine knows no time zone {quoted(raw)}; their names are those of /usr/share/zoneinfo"
            ) from None

    def show(self, value: ZoneInfo | None) -> str:
        """See ``Kind``."""
        return quoted("" if value is None else value.key)
