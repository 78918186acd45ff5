"""What becomes of mail when something fails: the mail server's word, ours, and each milter's, in one table."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 8
_NAME = "failure-policy"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Say what holds for each; an MTA that lets pass what a milter must see is worth a warning."""
    if patient.loaded is None:
        return
    own = patient.postfix.milter_default_action if patient.postfix is not None else ""
    if own:
        yield Diagnosis(_NAME, Level.OK, f"Postmill itself fails: Postfix says {own} (milter_default_action)")
    for milter in patient.milters:
        word = "nothing, it is only evaluated" if milter.mode == "evaluate" else milter.on_error
        yield Diagnosis(_NAME, Level.OK, f"{milter.name} fails: {word} (on_error)")
    strict = [
        milter.name for milter in patient.milters if milter.mode == "enforce" and milter.on_error != "accept"
    ]
    if own == "accept" and strict:
        text = f"while Postmill is down, Postfix accepts mail that {', '.join(strict)} must not miss"
        command = ("postconf", "-e", "milter_default_action=tempfail")
        if patient.postfix is not None and patient.postfix.directory != "/etc/postfix":
            command = ("postconf", "-c", patient.postfix.directory, *command[1:])
        yield Diagnosis(_NAME, Level.WARNING, text, "", command)
