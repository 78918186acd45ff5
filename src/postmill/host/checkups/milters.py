"""Whether Postmill gets through to each milter, and each answers and negotiates."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.config.settings import MilterSettings
from postmill.host.accounts import Obstacle, obstacle
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.remedies import to_milter

PLACE = 4
_NAME = "milters"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look at every milter in use: the way to its socket as Postmill's user, then what it answers."""
    for milter in patient.milters:
        blocked = list(_way_to(patient, milter)) if milter.socket.kind == "unix" else []
        yield from blocked or _spoken_to(patient, milter)


def _way_to(patient: Patient, milter: MilterSettings) -> Iterator[Diagnosis]:
    path = milter.socket.path
    found = obstacle(path, patient.user, patient.look)
    process = patient.process
    if found is not None:
        yield _blocked(patient, milter, found)
    elif process is not None and process.uid == patient.user.uid:
        found = obstacle(path, process, patient.look)
        if found is not None:
            text = (
                f"the Postmill that runs now cannot connect to {milter.name} at {milter.socket}: it {found}; "
                f"{process.name} was put into that group after it was started"
            )
            yield Diagnosis(_NAME, Level.ERROR, text, "restart Postmill; a reload does not change its groups")


def _blocked(patient: Patient, milter: MilterSettings, found: Obstacle) -> Diagnosis:
    text = (
        f"{patient.user.name}, the user of Postmill, cannot connect to {milter.name} at "
        f"{milter.socket}: it {found}"
    )
    way = to_milter(found, patient.user)
    advice = "then restart Postmill, for a process keeps the groups it was started with"
    if not way.lasts:
        advice = (
            f"this lasts until {milter.name} makes it anew: let its own configuration give it another mode "
            "or group"
        )
    return Diagnosis(_NAME, Level.ERROR, text, advice, way.command, way.safe)


def _spoken_to(patient: Patient, milter: MilterSettings) -> Iterator[Diagnosis]:
    answer = patient.answers[milter.name]
    if answer.barred:
        text = f"you may not connect to {milter.name} at {milter.socket}, so whether it answers is not known"
        yield Diagnosis(_NAME, Level.NOTE, text, "run the doctor as root")
    elif answer.trouble:
        text = f"{milter.name} does not answer at {milter.socket}: {answer.trouble}"
        meanwhile = "it is only evaluated" if milter.mode == "evaluate" else f"on_error = {milter.on_error}"
        yield Diagnosis(_NAME, Level.ERROR, text, f"is it running? Meanwhile: {meanwhile}")
    else:
        yield Diagnosis(_NAME, Level.OK, f"{milter.name} answers at {milter.socket}")
