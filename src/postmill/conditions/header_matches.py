"""The condition ``header-matches``: mail with a header of a certain content.

It sees the headers as the milters before left them; what the body holds is no matter of conditions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postmill.api import Applies, Apply, Head, Skip, condition, key, required
from postmill.api.header_text import readings
from postmill.api.kinds import Choice, ListOf, Text, quoted
from postmill.api.mail_kinds import Pattern

_PLAIN = Text(r"[^\0\r\n]+", "some text")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which header, and what in it."""

    header: str = required(
        Text(r"[!-9;-~]+", 'the name of a header such as "Subject"'), "The header; case does not matter."
    )
    patterns: tuple[str | re.Pattern[str], ...] = key(
        ListOf(Pattern(_PLAIN)), [], "What to find in it; nothing: it is enough that there is such a header."
    )
    match: str = key(
        Choice(("any", "all")), "any", "Whether one of `patterns` is enough, or each of them must be found."
    )


@condition("header-matches", Settings)
def header_matches(head: Head, settings: Settings) -> Applies:
    """Ask the milter only about mail that has a header, or has something in it.

    A pattern is text that is contained in the header's value, or a regular expression between slashes that is
    found in it, such as `/^re:/`; case does not matter. The value is looked at in one line, without blanks at
    its ends, both as it is written and as people read it, with encoded words (RFC 2047) decoded. Where there
    are several headers of the name, a pattern may be found in any of them.
    """
    values = [reading for value in head.all(settings.header) for reading in readings(value)]
    if not values:
        return Skip(f"there is no header {settings.header}")
    if not settings.patterns:
        return Apply(f"there is a header {settings.header}")
    found = [pattern for pattern in settings.patterns if any(_holds(value, pattern) for value in values)]
    missing = [pattern for pattern in settings.patterns if pattern not in found]
    if found and not (settings.match == "all" and missing):
        return Apply(f"the header {settings.header} has {_shown(found[0])}")
    return Skip(f"no header {settings.header} has {_shown(missing[0])}" + _others(settings, missing))


def _holds(value: str, pattern: str | re.Pattern[str]) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.search(value) is not None
    return pattern.casefold() in value.casefold()


def _shown(pattern: str | re.Pattern[str]) -> str:
    return f"/{pattern.pattern}/" if isinstance(pattern, re.Pattern) else quoted(pattern)


def _others(settings: Settings, missing: list[str | re.Pattern[str]]) -> str:
    more = len(missing) - 1
    return f", nor {more} more" if settings.match == "any" and more else ""
