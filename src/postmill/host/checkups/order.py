"""Hazards in the order of the milters: one that relies on another's headers, or signs what is changed later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 6


@dataclass(frozen=True, slots=True)
class _Rule:
    earlier: tuple[str, ...]
    later: tuple[str, ...]
    because: str


_AUTHENTICATION = (
    "opendkim",
    "dkimpy-milter",
    "pyspf-milter",
    "spfmilter",
    "sid-milter",
    "enma",
    "authentication_milter",
)
_TAGGING = ("spamass-milter", "rspamd", "amavisd-milter", "mimedefang", "clamav-milter")
_RULES = (
    _Rule(_AUTHENTICATION, ("opendmarc",), "{later} relies on the Authentication-Results of {earlier}"),
    _Rule(_AUTHENTICATION, ("openarc",), "{later} seals the Authentication-Results of {earlier}"),
    _Rule(
        _TAGGING,
        ("openarc",),
        "{earlier} changes the mail after {later} has signed it, so that the signature does not hold",
    ),
    _Rule(
        ("milter-greylist",),
        _TAGGING,
        "{later} works on mail that {earlier} would have turned away",
    ),
)


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare every pair of milters with what is known about their kinds."""
    names = [milter.name for milter in patient.milters]
    hazards = [
        (rule, first, second)
        for at, first in enumerate(names)
        for second in names[at + 1 :]
        for rule in _RULES
        if _kind(first) in rule.later and _kind(second) in rule.earlier
    ]
    for rule, first, second in hazards:
        text = f"{first} stands before {second}: {rule.because.format(earlier=second, later=first)}"
        advice = f"move [milters.{second}] before [milters.{first}], or give it a lower order"
        yield Diagnosis("order", Level.WARNING, text, advice)
    if names and not hazards:
        yield Diagnosis("order", Level.OK, f"the order holds: {', '.join(names)}")


def _kind(name: str) -> str:
    """Return the milter that a name is about; an instance's name begins with it."""
    known = {word for rule in _RULES for word in (*rule.earlier, *rule.later)}
    return next((word for word in sorted(known, key=len, reverse=True) if name.startswith(word)), name)
