"""The condition ``verdict-of``: mail about which a milter that was asked before said something.

What it said counts if it is only evaluated, too. That a milter has stopped the mail for all others is the
chain's business and not seen here.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Message, Skip, Verdicts, condition, key, required
from postmill.api.kinds import Choice, MilterName, SetOf, Text, either

WORDS = ("continue", "accept", "reject", "tempfail", "discard", "quarantine", "shutdown", "skipped", "lost")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which milter, and what it must have said."""

    milter: str = required(
        MilterName(),
        "The milter, by its NAME in `[milters.NAME]`. It must stand before the one that has this condition.",
    )
    verdicts: frozenset[str] = key(
        SetOf(Choice(WORDS)),
        [],
        "The verdicts that count. `skipped`: it was left out by its own conditions; `lost`: it failed. "
        "An empty list: any, so that `header` decides.",
    )
    header: str = key(
        Text(r"[!-9;-~]*", 'the name of a header, or "" for none'),
        "",
        "A header that the milter must have added or changed as well.",
    )


@condition("verdict-of", Settings)
def verdict_of(message: Message, settings: Settings, verdicts: Verdicts) -> Applies:
    """Ask the milter only if a milter before it has said one of some verdicts.

    For example, for a second opinion on what an evaluated milter would refuse: in `mode = "evaluate"` a
    verdict counts although nothing came of it. The verdict is known when the milter before has seen the whole
    message, so the one that has this condition is not connected before that.
    """
    said = verdicts.of.get(settings.milter)
    if said is None:
        return Skip(f"{settings.milter} was not asked before this milter")
    if settings.verdicts and said not in settings.verdicts:
        return Skip(f"{settings.milter} said {said}, not {either(sorted(settings.verdicts))}")
    changed = {name.lower() for name in verdicts.edited.get(settings.milter, ())}
    if settings.header and settings.header.lower() not in changed:
        return Skip(f"{settings.milter} did not add or change the header {settings.header}")
    header = f" and set the header {settings.header}" if settings.header else ""
    return Apply(f"{settings.milter} said {said}{header}")
