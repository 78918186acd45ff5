"""Values as people read them: numbers, times, sizes, and text of which no character is invisible.

Everything that a template prints goes through ``visible``: what comes from mail is hostile. Escaping for HTML
is Jinja's.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from markupsafe import Markup

_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def visible(value: Any) -> Any:
    """Return text with control characters, and others that are not seen, as escapes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in value)


def address(value: str | None) -> str:
    """Return a mail address without its angle brackets; the empty one keeps them."""
    text = value or ""
    return text[1:-1] if len(text) > 2 and text.startswith("<") and text.endswith(">") else text


def number(value: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """Return a share in percent."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def milliseconds(value: float) -> str:
    """Return a time as one judges it: three figures at most."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def size(value: int) -> str:
    """Return bytes."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} bytes"


def span(seconds: float) -> str:
    """Return how long something lasts, in its two largest units."""
    rest = max(0.0, seconds)
    parts: list[str] = []
    for factor, unit in _SPANS:
        count, rest = divmod(rest, factor)
        if count or parts:
            parts.append(f"{count:.0f} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def ago(moment: float) -> str:
    """Return how long ago something was."""
    return f"{span(time.time() - moment)} ago"


def clock(moment: float) -> str:
    """Return the time of day, with the date where that is not today's."""
    local = datetime.fromtimestamp(moment).astimezone()
    today = datetime.now().astimezone().date() == local.date()
    return local.strftime("%H:%M:%S") if today else local.strftime("%d %b %H:%M")


def stamp(moment: float) -> str:
    """Return date, time and distance from UTC."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def iso(moment: float) -> str:
    """Return a time as HTML's ``datetime`` wants it."""
    return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="seconds")


FILTERS = {
    "address": address,
    "number": number,
    "ms": milliseconds,
    "size": size,
    "span": span,
    "ago": ago,
    "clock": clock,
    "stamp": stamp,
    "iso": iso,
}
