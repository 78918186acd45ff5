"""What becomes of mail when something fails: the mail server's word and each milter's, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postmill.host.diagnosis import Diagnosis, Level, Table
from postmill.host.known import counts
from postmill.host.patient import Patient
from postmill.host.registered import Entry

PLACE = 9
_NAME = "failure-policy"
_COLUMNS = ("milter", "if it fails", "if Postmill fails")
_LAX = ("accept", "quarantine")


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Say what holds for each; that no filter is asked while Postmill is down is worth a warning."""
    if patient.loaded is None:
        return
    ours = [entry for entry in patient.entries if entry.ours]
    away = _actions(ours) or "unknown"
    rows = [(milter.name, _own_word(milter.mode, milter.on_error), away) for milter in patient.children]
    by_text: dict[str, list[Entry]] = {}
    for entry in patient.entries:
        if not entry.ours and not entry.misread and not counts(entry.milter):
            by_text.setdefault(entry.written, []).append(entry)
    rows += [(text, f"{_actions(entries)} (the mail server's)", "-") for text, entries in by_text.items()]
    if rows:
        text = "what becomes of mail when a milter or Postmill fails"
        yield Diagnosis(_NAME, Level.OK, text, table=Table(_COLUMNS, tuple(rows)))
    yield from _unfiltered(patient, ours)


def _own_word(mode: str, on_error: str) -> str:
    return "nothing: it is only evaluated" if mode == "evaluate" else on_error


def _actions(entries: Iterable[Entry]) -> str:
    """Return the mail server's words, each with the lists it holds for where they differ."""
    by_action: dict[str, list[str]] = {}
    for entry in entries:
        by_action.setdefault(entry.action, []).append(entry.where)
    if len(by_action) < 2:
        return "".join(by_action)
    return ", ".join(f"{action} ({', '.join(dict.fromkeys(places))})" for action, places in by_action.items())


def _unfiltered(patient: Patient, ours: list[Entry]) -> Iterator[Diagnosis]:
    """Milters that must not be missed are, while Postmill is down and the mail server lets mail pass."""
    strict = [
        milter.name for milter in patient.children if milter.mode == "enforce" and milter.on_error not in _LAX
    ]
    lax = list(dict.fromkeys(entry.where for entry in ours if entry.action == "accept"))
    if strict and lax:
        text = (
            f"while Postmill is down, {', '.join(lax)} accepts mail unfiltered, though "
            f"{', '.join(strict)} must not be missed"
        )
        advice = "it also puts all else in order that `postmill setup` sees to" if patient.setup() else ""
        yield Diagnosis(_NAME, Level.WARNING, text, advice, patient.setup())
