"""Time limits of ours that outlast the mail server's, which would then apply its own default action.

What starts the mail server's clocks again, and when nothing can be said to it: protocol §7.1, §7.2, §7.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from postmill.config.settings import MilterSettings
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.registered import Entry

PLACE = 8
_NAME = "time-limits"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Compare with the limits that hold for Postmill in each list of the mail server's."""
    ours = [entry for entry in patient.entries if entry.ours and entry.command_timeout]
    if not ours:
        return
    entry = min(ours, key=lambda each: (each.command_timeout, each.content_timeout))
    found = [*_progress(patient, entry), *_negotiation(patient, entry), *_answers(patient, entry)]
    yield from found
    if not found:
        limits = f"{entry.command_timeout:g} s, and {entry.content_timeout:g} s for the content"
        yield Diagnosis(_NAME, Level.OK, f"the mail server waits for Postmill long enough: {limits}")


def _names(patient: Patient) -> tuple[str, str]:
    if patient.postfix is not None:
        return "milter_command_timeout", "milter_content_timeout"
    return "R in its T=", "E in its T="


def _progress(patient: Patient, entry: Entry) -> Iterator[Diagnosis]:
    """Signs of life must come before the mail server has given up."""
    assert patient.loaded is not None
    interval = patient.loaded.settings.manager.progress_interval
    name, limit = min(
        zip(_names(patient), (entry.command_timeout, entry.content_timeout), strict=True),
        key=lambda pair: pair[1],
    )
    if interval >= limit:
        text = (
            f"the mail server is told every {interval:g} s that Postmill is busy (progress_interval), but "
            f"gives up after {limit:g} s ({name})"
        )
        advice = f'write progress_interval = "{max(1, int(limit / 3))}s" under [manager]'
        yield Diagnosis(_NAME, Level.ERROR, text, advice)


def _negotiation(patient: Patient, entry: Entry) -> Iterator[Diagnosis]:
    """While milters are connected to and negotiated with, nothing can be said to any mail server."""
    for milter in patient.milters:
        if not _can_wait(patient) and milter.timeouts.command >= entry.command_timeout:
            continue  # `_answers` says so
        longest = milter.timeouts.connect + milter.timeouts.command
        if longest > entry.command_timeout:
            yield _too_long(
                patient, milter, "connect + timeouts.command", longest, entry, "connecting and negotiating"
            )


def _answers(patient: Patient, entry: Entry) -> Iterator[Diagnosis]:
    """Where the mail server cannot be told to wait, each answer must come in its time."""
    if _can_wait(patient):
        return
    for milter in patient.milters:
        if milter.timeouts.command >= entry.command_timeout:
            yield _too_long(patient, milter, "command", milter.timeouts.command, entry, "an answer")
    if patient.postfix is None:
        for milter in patient.milters:
            if milter.timeouts.content >= entry.content_timeout:
                yield _too_long(patient, milter, "content", milter.timeouts.content, entry, "the content")


def _can_wait(patient: Patient) -> bool:
    """Postfix takes signs of life at every stage, if Postmill knows that it is Postfix."""
    assert patient.loaded is not None
    mta = patient.loaded.settings.manager.mta
    if patient.postfix is None or mta == "sendmail":
        return False
    return mta == "postfix" or "v" in patient.postfix.macros("connect")


def _too_long(
    patient: Patient, milter: MilterSettings, limit: str, seconds: float, entry: Entry, what: str
) -> Diagnosis:
    name, theirs = _names(patient)[0], entry.command_timeout
    if limit == "content":
        name, theirs = _names(patient)[1], entry.content_timeout
    text = (
        f"{milter.name} may take {seconds:g} s for {what} (timeouts.{limit}), but the mail server gives up "
        f"after {theirs:g} s ({name}) and cannot be told to wait then"
    )
    advice = f"shorten timeouts.{limit} of [milters.{milter.name}], or lengthen {name}"
    return Diagnosis(_NAME, Level.WARNING, text, advice)
