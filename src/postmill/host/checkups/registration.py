"""Whether the mail server asks Postmill, once, and no milter is asked both by it and by Postmill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.known import counts
from postmill.host.patient import Patient
from postmill.host.registered import Entry

PLACE = 6
_NAME = "registration"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look through every list of milters that the mail server has."""
    if patient.loaded is None or (patient.postfix is None and patient.sendmail is None):
        return
    yield from _twice(patient)
    asking = _lists(entry for entry in patient.entries if entry.ours and entry.smtp)
    if asking:
        yield Diagnosis(_NAME, Level.OK, f"{_mta(patient)} asks Postmill: {', '.join(asking)}")
    elif not any(entry.misread for entry in patient.entries):  # then `own_socket` says so
        advice = "" if patient.postfix is not None else "`postmill setup sendmail` puts it there"
        yield Diagnosis(
            _NAME,
            Level.ERROR,
            f"{_mta(patient)} does not ask Postmill about any mail",
            advice,
            patient.setup(),
        )
    yield from _strangers(patient)
    yield from _silent(patient, asking)


def _twice(patient: Patient) -> Iterator[Diagnosis]:
    """The same milter twice about one mail: it counts twice, and sees its own headers."""
    command = patient.setup()
    advice = "" if command else "`postmill setup sendmail` takes out what is too much"
    ours = _lists(entry for entry in patient.entries if entry.ours)
    by_milter: dict[str, list[Entry]] = {}
    for entry in patient.entries:
        if entry.where in ours and entry.milter is not None and counts(entry.milter):
            by_milter.setdefault(entry.milter.name, []).append(entry)
    for name, entries in by_milter.items():
        text = (
            f"{name} is asked twice, by Postmill and by {_mta(patient)} itself: {entries[0].written} is in "
            f"the list of {', '.join(_lists(entries))}"
        )
        yield Diagnosis(_NAME, Level.ERROR, text, advice, command, safe=bool(command))
    for where in ours:
        times = sum(entry.ours for entry in patient.entries if entry.where == where)
        if times > 1:
            text = f"{where} of {_mta(patient)} lists Postmill {times} times, and each mail is shown as often"
            yield Diagnosis(_NAME, Level.ERROR, text, advice, command, safe=bool(command))


def _strangers(patient: Patient) -> Iterator[Diagnosis]:
    strangers = [
        entry for entry in patient.entries if not (entry.ours or entry.misread or counts(entry.milter))
    ]
    for written in dict.fromkeys(entry.written for entry in strangers):
        text = f"{_mta(patient)} asks {written} by itself; Postmill does not, or only evaluates it"
        yield Diagnosis(_NAME, Level.NOTE, text)


def _silent(patient: Patient, asking: list[str]) -> Iterator[Diagnosis]:
    """Mail that does not pass Postmill, which may be meant."""
    if patient.postfix is None or not asking:
        return
    for service in patient.postfix.smtpd_services:
        if service.key not in asking:
            yield Diagnosis(
                _NAME, Level.NOTE, f"mail through {service.key} of Postfix does not pass Postmill"
            )
    if not any(entry.ours and not entry.smtp for entry in patient.entries):
        text = (
            "mail from sendmail(1) does not pass Postmill; `postmill setup postfix --non-smtpd` puts it there"
        )
        yield Diagnosis(_NAME, Level.NOTE, text)


def _lists(entries: Iterable[Entry]) -> list[str]:
    return list(dict.fromkeys(entry.where for entry in entries))


def _mta(patient: Patient) -> str:
    return "Postfix" if patient.postfix is not None else "Sendmail"
