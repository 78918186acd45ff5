"""Whether Postmill answers on its sockets, and whether Postfix's user gets through to them."""

from __future__ import annotations

from collections.abc import Iterator

from postmill.errors import ConfigError
from postmill.host.accounts import Account, Obstacle, group_name, obstacle
from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.reach import address_for_postfix
from postmill.host.remedies import to_ourselves
from postmill.wire.endpoint import Endpoint

PLACE = 3
_NAME = "own-socket"


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look at every socket in ``manager.listen``, and at where Postfix looks for it."""
    for endpoint in patient.listeners:
        yield _answers(patient, endpoint)
    for endpoint in _asked(patient):
        if endpoint.kind == "unix" and patient.mta_user is not None:
            yield from _way_of(patient, endpoint, patient.mta_user)
    yield from _chroot(patient)


def _answers(patient: Patient, endpoint: Endpoint) -> Diagnosis:
    answer = patient.own_answers[endpoint]
    if answer.barred:
        text = f"you may not connect to {endpoint}, so whether Postmill answers is not known"
        return Diagnosis(_NAME, Level.NOTE, text, "run the doctor as root")
    if answer.trouble:
        text = f"Postmill does not answer on {endpoint}: {answer.trouble}"
        return Diagnosis(_NAME, Level.ERROR, text, "start it: `systemctl start postmill`, or `postmill run`")
    return Diagnosis(_NAME, Level.OK, f"Postmill answers on {endpoint}")


def _asked(patient: Patient) -> tuple[Endpoint, ...]:
    """The sockets that Postfix uses; all, as long as it uses none."""
    used = tuple(entry.endpoint for entry in patient.entries if entry.ours and entry.endpoint is not None)
    return tuple(dict.fromkeys(used)) or patient.listeners


def _way_of(patient: Patient, endpoint: Endpoint, mta: Account) -> Iterator[Diagnosis]:
    """Look for what keeps the mail server's user from a socket of ours."""
    found = obstacle(endpoint.path, mta, patient.look)
    if found is not None:
        yield _blocked(patient, endpoint, mta, found)
    elif patient.look(endpoint.path) is not None:
        yield Diagnosis(_NAME, Level.OK, f"{mta.name}, the user of Postfix, may connect to {endpoint}")


def _blocked(patient: Patient, endpoint: Endpoint, mta: Account, found: Obstacle) -> Diagnosis:
    text = f"{mta.name}, the user of Postfix, cannot connect to {endpoint}: it {found}"
    way = to_ourselves(found, mta, patient.user, endpoint.path)
    advice = ""
    if not found.is_directory:
        advice = (
            "the command mends the socket that is there now; for every later start, write "
            f'socket_mode = "0660" and socket_group = "{group_name(mta.gid)}" under [manager]'
        )
    return Diagnosis(_NAME, Level.ERROR, text, advice, way.command, way.safe)


def _chroot(patient: Patient) -> Iterator[Diagnosis]:
    """A Postfix service in a chroot sees only what is below the queue directory."""
    postfix, loaded = patient.postfix, patient.loaded
    if postfix is None or loaded is None:
        return
    misread = [entry for entry in patient.entries if entry.misread]
    try:
        address_for_postfix(postfix, postfix.smtpd_services, loaded)
        command = patient.setup()
    except ConfigError as error:
        if not misread and any(entry.ours for entry in patient.entries):
            return  # it is reached all the same, by those that are not in a chroot
        command = ()
        yield Diagnosis(_NAME, Level.ERROR, error.message, error.hint)
    for entry in misread:
        text = (
            f"{entry.where} of Postfix runs in a chroot, {postfix.queue_directory}, and so looks for "
            f"Postmill, {entry.written}, at {entry.endpoint}"
        )
        yield Diagnosis(_NAME, Level.ERROR, text, "", command, safe=bool(command))
