"""Hazards in the order of the milters: one that relies on another's headers, or signs what is changed later.

What a milter is, its name tells, or its socket's. A filter that signs and verifies, such as opendkim, has no
place that is right for both, so tagging before or after it is no hazard here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from postmill.config.settings import MilterSettings
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 7
_NAME = "order"


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
_CHANGING = ("spamass-milter", "rspamd", "amavisd-milter", "mimedefang")
_DEPENDENT = ("opendmarc", "openarc")
_RULES = (
    _Rule(_AUTHENTICATION, ("opendmarc",), "{later} goes by the Authentication-Results of {earlier}"),
    _Rule(
        (*_AUTHENTICATION, "opendmarc"), ("openarc",), "{later} seals the Authentication-Results of {earlier}"
    ),
    _Rule(
        _CHANGING, ("openarc",), "{earlier} changes mail that {later} has signed, so the signature is void"
    ),
)
_KINDS = (*_AUTHENTICATION, *_CHANGING, *_DEPENDENT)


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare every pair of milters with what is known about their kinds."""
    found = [*_pairs(patient), *_parallel(patient)]
    yield from found
    if patient.milters and not found:
        names = ", ".join(milter.name for milter in patient.milters)
        yield Diagnosis(_NAME, Level.OK, f"the order is good: {names}")


def _pairs(patient: Patient) -> Iterator[Diagnosis]:
    for first, second in itertools.combinations(patient.milters, 2):
        for rule in _RULES:
            if _kind(first) in rule.later and _kind(second) in rule.earlier:
                because = rule.because.format(earlier=second.name, later=first.name)
                yield _hazard(first.name, second.name, because)


def _parallel(patient: Patient) -> Iterator[Diagnosis]:
    for milter in patient.milters:
        if milter.content == "parallel" and _kind(milter) in _DEPENDENT:
            text = f"{milter.name} does not see what the milters before it have added, which it goes by"
            advice = f'take content = "parallel" out of [milters.{milter.name}]'
            yield Diagnosis(_NAME, Level.WARNING, text, advice)


def _hazard(first: str, second: str, because: str) -> Diagnosis:
    advice = f"move [milters.{second}] before [milters.{first}], or give it a lower order"
    return Diagnosis(_NAME, Level.WARNING, f"{first} stands before {second}: {because}", advice)


def _kind(milter: MilterSettings) -> str:
    """Return what a milter is, "" if nobody can tell; an instance's name begins with its kind."""
    words = [milter.name, *re.split(r"[/.]", milter.socket.path)]
    normal = [word.lower().replace("_", "-") for word in words]
    longest = sorted(_KINDS, key=len, reverse=True)
    found = (kind for word in normal for kind in longest if word.startswith(kind.replace("_", "-")))
    return next(found, "")
