"""Whether Postmill answers on its sockets, and whether the mail server's user gets through to them."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.errors import ConfigError
from postmill.host.accounts import Account, Obstacle, obstacle, remedy
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.reach import address_for_postfix
from postmill.wire.endpoint import Endpoint

PLACE = 2
_NAME = "own-socket"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look at every socket in ``manager.listen``."""
    for endpoint in patient.listeners:
        answer = patient.own_answers[endpoint]
        if answer.trouble:
            text = f"Postmill does not answer on {endpoint}: {answer.trouble}"
            yield Diagnosis(_NAME, Level.ERROR, text, "start it: systemctl start postmill, or postmill run")
        else:
            yield Diagnosis(_NAME, Level.OK, f"Postmill answers on {endpoint}")
        if endpoint.kind == "unix" and patient.mta_user is not None:
            yield from _way_of(patient, endpoint, patient.mta_user)
    yield from _chroot(patient)


def _way_of(patient: Patient, endpoint: Endpoint, mta: Account) -> Iterator[Diagnosis]:
    """Look for what keeps the mail server's user from a socket of ours."""
    found = obstacle(endpoint.path, mta, patient.look)
    if found is None:
        yield Diagnosis(_NAME, Level.OK, f"{mta.name} may connect to {endpoint}")
    elif found.owned is not None:
        yield _blocked(endpoint, mta, found)


def _blocked(endpoint: Endpoint, mta: Account, found: Obstacle) -> Diagnosis:
    text = f"{mta.name}, the user of Postfix, cannot reach {endpoint}: it {found}"
    way = remedy(found, mta)
    assert way is not None
    advice = ""
    if not way.lasts and found.bit == 2:
        advice = (
            f'write socket_mode = "0660" and socket_group = "{mta.name}" under [manager] and restart Postmill, so '
            "that it is right after every start; for now"
        )
    return Diagnosis(_NAME, Level.ERROR, text, advice, way.command, way.safe)


def _chroot(patient: Patient) -> Iterator[Diagnosis]:
    """A Postfix service in a chroot sees only what is below the queue directory."""
    if patient.postfix is None or patient.loaded is None:
        return
    services = patient.postfix.smtpd_services
    try:
        address_for_postfix(patient.postfix, services, patient.loaded)
    except ConfigError as error:
        yield Diagnosis(_NAME, Level.ERROR, error.message, error.hint)
