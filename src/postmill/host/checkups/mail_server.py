"""Which mail server there is, whether it runs, and what is doubtful about its configuration."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 2
_NAME = "mail-server"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Say what was found; without a mail server the rest of the checkups say nothing about one."""
    if patient.postfix is not None:
        yield from _postfix(patient)
    elif patient.sendmail is not None:
        text = f"Sendmail, by {patient.sendmail.file}: whether it may use sockets and relays is not looked at"
        yield Diagnosis(_NAME, Level.OK, text)
    else:
        text = f"no mail server was found, so only Postmill and its milters are looked at: {patient.no_mta}"
        yield Diagnosis(
            _NAME, Level.WARNING, text, "is its configuration elsewhere? --config-directory says so"
        )


def _postfix(patient: Patient) -> Iterator[Diagnosis]:
    postfix = patient.postfix
    assert postfix is not None
    for warning in postfix.warnings:
        yield Diagnosis(_NAME, Level.WARNING, f"postconf: {warning}")
    if postfix.milter_protocol < 6:
        text = f"milter_protocol of Postfix is {postfix.milter_protocol}, so milters are not told everything"
        registered = any(entry.ours for entry in patient.entries)
        yield Diagnosis(_NAME, Level.WARNING, text, "", patient.setup(), safe=registered)
    if patient.running:
        yield Diagnosis(_NAME, Level.OK, f"Postfix runs, by {postfix.directory}")
    else:
        start: tuple[str, ...] = ("postfix", "start")
        if postfix.directory != "/etc/postfix":
            start = ("postfix", "-c", postfix.directory, "start")
        yield Diagnosis(_NAME, Level.WARNING, f"Postfix does not run, by {postfix.directory}", "", start)
