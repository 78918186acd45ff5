"""Whether Postmill gets through to each milter, and each answers and negotiates."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.config.settings import MilterSettings
from postmill.host.accounts import Obstacle, obstacle, remedy
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient

PLACE = 3
_NAME = "milters"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look at every milter in use: the way to its socket as Postmill's user, then what it answers."""
    for milter in patient.milters:
        found = None
        if milter.socket.kind == "unix":
            found = obstacle(milter.socket.path, patient.user, patient.look)
        if found is not None and found.owned is not None:
            yield _blocked(patient, milter, found)
        yield from _spoken_to(patient, milter, found)


def _blocked(patient: Patient, milter: MilterSettings, found: Obstacle) -> Diagnosis:
    text = f"{patient.user.name}, the user of Postmill, cannot reach {milter.name} at {milter.socket}: it {found}"
    way = remedy(found, patient.user)
    assert way is not None
    advice = "then restart Postmill" if way.command[0] == "usermod" else ""
    if not way.lasts:
        advice = (
            f"let {milter.name} make its socket with another mode or group, for this does not last; for now"
        )
    return Diagnosis(_NAME, Level.ERROR, text, advice, way.command, way.safe)


def _spoken_to(patient: Patient, milter: MilterSettings, found: Obstacle | None) -> Iterator[Diagnosis]:
    answer = patient.answers[milter.name]
    if not answer.trouble:
        yield Diagnosis(_NAME, Level.OK, f"{milter.name} answers at {milter.socket}")
    elif found is None or found.owned is None:
        text = f"{milter.name} does not answer at {milter.socket}: {answer.trouble}"
        advice = f"is it running? Meanwhile mail is dealt with by its on_error, {milter.on_error}"
        yield Diagnosis(_NAME, Level.ERROR, text, advice)
