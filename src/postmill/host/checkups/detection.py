"""Milters of this machine that nobody asks, and such that are asked though it does not start them."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.api.host import Finding, State
from postmill.errors import UnavailableError
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.known import milter_at
from postmill.host.patient import Patient

PLACE = 11
_NAME = "detection"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare what detection finds, by its sockets, with the configuration."""
    if patient.loaded is None:
        return
    try:
        findings = patient.detect()
    except UnavailableError as error:
        yield Diagnosis(_NAME, Level.OK, f"which milters are installed is not known: {error}")
        return
    for finding in findings:
        yield from _compared(patient, finding)


def _compared(patient: Patient, finding: Finding) -> Iterator[Diagnosis]:
    assert patient.loaded is not None
    if finding.socket is None:
        return
    milter = milter_at([finding.socket], patient.loaded.settings)
    if milter is None and finding.usable:
        where = f"{finding.name} is installed and {finding.state}, at {finding.socket}"
        text = f"{where}, but Postmill does not ask it"
        advice = f"`postmill detect` tells more; [milters.{finding.name}] or `detect = true` takes it in"
        yield Diagnosis(_NAME, Level.NOTE, text, advice)
    elif milter is not None and milter.mode != "off" and (why := _not_started(finding)):
        text = f"{milter.name} is asked, but this machine does not start it by itself: {why}"
        yield Diagnosis(
            _NAME, Level.WARNING, text, f'enable it, or write mode = "off" in [milters.{milter.name}]'
        )


def _not_started(finding: Finding) -> str:
    if not finding.installed:
        return "its package is removed"
    return str(finding.state) if finding.state in {State.DISABLED, State.MASKED} else ""
