"""Whether the mail server relays for strangers: tried over loopback, and judged by its configuration.

From an address that may relay anyway an accepted recipient proves nothing; then the configuration decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from postmill.host.diagnosis import Diagnosis, Level
from postmill.host.patient import Patient
from postmill.host.postfix import DEFAULT_DIRECTORY, Postfix, Service
from postmill.host.relay_rules import networks, open_by, too_wide, trusts, uses_mynetworks
from postmill.host.relaying import STRANGER, Attempt, door_of

PLACE = 10
_NAME = "relay"
_DEFAULT = "smtpd_relay_restrictions=permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
_WIDTH = {
    1: (Level.WARNING, "hardly all yours"),
    2: (Level.ERROR, "a large part of the Internet"),
}


def check(patient: Patient) -> Iterator[Diagnosis]:
    """Look at every service of Postfix that takes mail over SMTP."""
    postfix = patient.postfix
    if postfix is None:
        return
    yield from _wide(postfix)
    for service in postfix.smtpd_services:
        reason = open_by(postfix, service)
        if reason:
            text = f"{service.key} of Postfix is an open relay: {reason}"
            yield Diagnosis(
                _NAME, Level.ERROR, text, _advice(reason, service), _command(postfix, reason, service)
            )
        elif patient.running:
            yield _tried(patient, postfix, service)


def _wide(postfix: Postfix) -> Iterator[Diagnosis]:
    """Networks that no single organisation has."""
    if not any(uses_mynetworks(postfix, service) for service in postfix.smtpd_services):
        return
    for network in networks(postfix.value("mynetworks"))[0]:
        if too_wide(network):
            level, what = _WIDTH[too_wide(network)]
            text = f"mynetworks of Postfix holds {network}, {what}: whoever is there may relay"
            yield Diagnosis(_NAME, level, text, "write only networks of your own into mynetworks")


def _advice(reason: str, service: Service) -> str:
    if "mynetworks" in reason:
        return "write only networks of your own into mynetworks, such as 127.0.0.0/8 [::1]/128"
    if any("restrictions" in name for name in service.overrides):
        return f"take the restrictions of {service.key} out of master.cf, or end them with reject"
    return ""


def _command(postfix: Postfix, reason: str, service: Service) -> tuple[str, ...]:
    if _advice(reason, service):
        return ()
    where = () if postfix.directory == DEFAULT_DIRECTORY else ("-c", postfix.directory)
    return ("postconf", *where, "-e", _DEFAULT)


def _tried(patient: Patient, postfix: Postfix, service: Service) -> Diagnosis:
    door = door_of(postfix, service)
    if door is None:
        text = (
            f"{service.key} of Postfix does not listen on loopback, so it is judged by its configuration only"
        )
        return Diagnosis(_NAME, Level.OK, f"{text}, which relays for nobody but clients it knows")
    attempt = patient.try_relaying(door)
    if attempt.trouble or _undecided(attempt):
        text = f"{service.key} of Postfix, {door}, could not be tried: {attempt.trouble or attempt.reply}"
        return Diagnosis(_NAME, Level.NOTE, f"{text}; by its configuration it is no open relay")
    if not attempt.accepted:
        text = f"{service.key} of Postfix does not relay for {attempt.client}: {attempt.reply}"
        return Diagnosis(_NAME, Level.OK, text)
    if attempt.client != STRANGER and trusts(postfix, service, attempt.client):
        text = f"{service.key} of Postfix relays for clients it knows only, by its configuration"
        return Diagnosis(_NAME, Level.OK, text)
    text = (
        f"{service.key} of Postfix relays for strangers: to {attempt.client} it said yes to "
        f"{', '.join(f'<{recipient}>' for recipient in attempt.accepted)}"
    )
    advice = "look for a check_…_access table that answers OK before reject_unauth_destination"
    if not any(recipient.startswith("postmill-doctor@") for recipient in attempt.accepted):
        advice = "is allow_untrusted_routing = yes in main.cf? Take it out"
    return Diagnosis(_NAME, Level.ERROR, text, advice)


def _undecided(attempt: Attempt) -> bool:
    """A temporary refusal may have any reason, such as a milter that is down."""
    return not attempt.accepted and attempt.reply.startswith("4") and "elay" not in attempt.reply
