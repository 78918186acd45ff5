"""Whether the configuration can be used at all: every mistake and every suspicion in it."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 0


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Tell what is wrong with postmill.toml and policy.d, and what is hardly meant."""
    name = "configuration"
    for problem in patient.problems:
        advice = "mend it, then run `postmill config check`"
        yield Diagnosis(name, Level.ERROR, str(problem), advice)
    if patient.loaded is None:
        return
    for warning in patient.loaded.warnings:
        yield Diagnosis(name, Level.WARNING, str(warning))
    if not patient.problems:
        milters = ", ".join(milter.name for milter in patient.milters) or "none"
        yield Diagnosis(name, Level.OK, f"{patient.config_file} can be used; milters: {milters}")
