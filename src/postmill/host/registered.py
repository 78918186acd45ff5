"""Whom the mail server asks: every milter in its lists, whoever it is, Postfix and Sendmail alike.

``registered`` makes the list of configurations alone; whose socket an address is, `known` tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmill.config import MilterSettings, Settings
from postmill.host.known import is_ours, milter_at
from postmill.host.postfix import ListedMilter, Postfix, Service
from postmill.host.sendmail import Filter, Sendmail
from postmill.host.times import seconds
from postmill.wire.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Entry:
    """A milter in a list of the mail server's."""

    where: str
    """Whose list it is: ``smtp/inet``, ``non_smtpd_milters``, the name of a listener of Sendmail's."""
    smtp: bool
    """It is asked about mail that comes over SMTP."""
    written: str
    """How the list spells it."""
    endpoint: Endpoint | None
    """The socket that is really meant there."""
    ours: bool
    misread: bool
    """It would be ours, were it not for the chroot in which the service looks for it."""
    milter: MilterSettings | None
    """The milter of our configuration that it is."""
    action: str
    """What becomes of mail when it fails, in the words of ``milter_default_action``."""
    command_timeout: float
    content_timeout: float


def registered(postfix: Postfix | None, sendmail: Sendmail | None, settings: Settings) -> tuple[Entry, ...]:
    """Return all entries, in the order in which the milters are asked."""
    if postfix is not None:
        return tuple(_of_postfix(postfix, settings))
    return tuple(_of_sendmail(sendmail, settings)) if sendmail is not None else ()


def _of_postfix(postfix: Postfix, settings: Settings) -> Iterator[Entry]:
    for service in postfix.smtpd_services:
        for listed in postfix.smtpd_milters(service):
            yield _listed(postfix, service, listed, settings, service.key)
    for cleanup in postfix.of_command("cleanup"):
        for listed in postfix.non_smtpd_milters(cleanup):
            yield _listed(postfix, cleanup, listed, settings, "non_smtpd_milters")


def _listed(
    postfix: Postfix, service: Service, listed: ListedMilter, settings: Settings, where: str
) -> Entry:
    endpoint = listed.endpoint(postfix.queue_directory, chrooted=service.chroot)
    outside = listed.endpoint(postfix.queue_directory, chrooted=False)
    ours = endpoint is not None and is_ours([endpoint], settings)

    def option(name: str) -> str:
        return listed.options.get(name) or postfix.value(f"milter_{name}", service)

    return Entry(
        where,
        where == service.key,
        listed.address,
        endpoint,
        ours,
        not ours and outside is not None and is_ours([outside], settings),
        milter_at([endpoint], settings) if endpoint is not None else None,
        option("default_action"),
        seconds(option("command_timeout")),
        seconds(option("content_timeout")),
    )


def _of_sendmail(sendmail: Sendmail, settings: Settings) -> Iterator[Entry]:
    for daemon in sendmail.daemons or ({},):
        name = next((daemon[key] for key in daemon if key[:1] in {"N", "n"}), "InputMailFilters")
        for each in sendmail.asked_by(daemon):
            yield _filter(each, settings, name)


def _filter(each: Filter, settings: Settings, where: str) -> Entry:
    found = [each.endpoint] if each.endpoint is not None else []
    return Entry(
        where,
        True,
        f"{each.name} ({each.address})",
        each.endpoint,
        is_ours(found, settings),
        False,
        milter_at(found, settings),
        each.default_action,
        each.timeouts["R"],
        each.timeouts["E"],
    )
