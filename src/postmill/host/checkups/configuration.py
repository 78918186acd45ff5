"""Whether the configuration can be used at all: every mistake and every suspicion in it."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 0
_NAME = "configuration"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Tell what is wrong with postmill.toml and policy.d, and what is hardly meant."""
    for problem in patient.problems:
        yield Diagnosis(_NAME, Level.ERROR, str(problem), "mend it, then run `postmill config check`")
    if patient.loaded is None:
        return
    for warning in patient.loaded.warnings:
        yield Diagnosis(_NAME, Level.WARNING, str(warning))
    milters = ", ".join(milter.name for milter in patient.children) or "none"
    yield Diagnosis(_NAME, Level.OK, f"{patient.config_file} can be used; milters: {milters}")
