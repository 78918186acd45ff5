"""The condition ``time-window``: mail at certain hours of certain days.

The time comes by the port ``Clock``; nothing here asks the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from postmill.api import Applies, Apply, Client, Clock, Skip, condition, key
from postmill.api.kinds import ListOf
from postmill.api.time_kinds import WEEKDAYS, Days, Hours, Span, TimeZone, Weekdays


@dataclass(frozen=True, slots=True)
class Settings:
    """When."""

    days: tuple[Days, ...] = key(ListOf(Weekdays()), [], "Days of the week; an empty list: every day.")
    hours: tuple[Span, ...] = key(
        ListOf(Hours()),
        [],
        "Hours of these days; the end is not in them. Over midnight, the day is that on which they begin. "
        "An empty list: all day.",
    )
    time_zone: ZoneInfo | None = key(TimeZone(), "", "Where it is that time.")


@condition("time-window", Settings)
def time_window(client: Client, settings: Settings, clock: Clock) -> Applies:
    """Ask the milter only at certain hours of certain days.

    `days = ["mon-fri"]` and `hours = ["22:00-06:00"]` are five nights: the last begins on Friday and ends on
    Saturday morning. The time is that at which the client connects.
    """
    now = clock.now().astimezone(settings.time_zone)
    shown = f"it is {WEEKDAYS[now.weekday()]} {now:%H:%M}" + (
        f" in {settings.time_zone.key}" if settings.time_zone else ""
    )
    if any(_holds(now, days, hours) for days in settings.days or _EVERY_DAY for hours in _spans(settings)):
        return Apply(shown)
    return Skip(f"{shown}, and not {_written(settings)}")


_EVERY_DAY = (Days(0, 6),)


def _spans(settings: Settings) -> Iterable[Span]:
    return settings.hours or (Span(0, 24 * 60),)


def _holds(now: datetime, days: Days, hours: Span) -> bool:
    """Tell whether a moment is in a span that began today or, over midnight, yesterday."""
    minute, today = now.hour * 60 + now.minute, now.weekday()
    if not hours.crosses_midnight:
        return today in days and hours.start <= minute < hours.end
    began_today = today in days and minute >= hours.start
    began_yesterday = today - 1 in days and minute < hours.end
    return began_today or began_yesterday


def _written(settings: Settings) -> str:
    return " ".join(", ".join(map(str, listed)) for listed in (settings.days, settings.hours) if listed)
