"""The arrangement: six real milters, one Postfix with a listener for each way to reach them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.postfix import PrivatePostfix, free_port, public_directory, smtpd
from tests.interop.real_milters.scenarios import KNOWN
from tests.stack import peers
from tests.stack.component import MilterComponent, running
from tests.stack.dialogue import Client, Mail
from tests.stack.filters import Filters
from tests.stack.mailbox import Mailbox
from tests.stack.manager import Manager
from tests.stack.outcome import Outcome, play


@dataclass(frozen=True)
class Arrangement:
    """A running Postfix that reaches the same milters directly and through Postmill."""

    filters: Filters
    managers: Mapping[str, Manager]
    postfix: PrivatePostfix
    mailbox: Mailbox
    ports: Mapping[str, int]

    def play(self, way: str, client: Client, steps: Sequence[Mail | str]) -> Outcome:
        """Hold a conversation by one of `ports` and return its outcome."""
        return play(self.postfix, self.mailbox, self.ports[way], client, steps)


def tables(chain: Mapping[str, MilterComponent], **settings: Any) -> dict[str, dict[str, Any]]:
    """Return the `[milters.NAME]` tables for a chain of milters."""
    return {name: {"socket": milter.endpoint, **settings} for name, milter in chain.items()}


#: Postfix asks nobody after a milter that quarantines; Postmill's own way is to go on (protocol §9.7).
POSTFIX_QUARANTINE = {"same_as_postfix": ["quarantine"]}

#: The managers, each with its `[manager]` settings and those of all its milters.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "postmill": (POSTFIX_QUARANTINE, {}),
    "pooled": ({**POSTFIX_QUARANTINE, "ask": "in-turn"}, {"pool": True, "pipeline": False}),
    "accept": ({}, {"on_error": "accept"}),
    "tempfail": ({}, {"on_error": "tempfail"}),
}

#: A Postfix that asks milter-greylist, by its sm_macro, to trust SPF for this client's domain.
TRUSTED = {
    "milter_macro_defaults": "{trusted_domain}=yes",
    "milter_rcpt_macros": "i {rcpt_addr} {rcpt_host} {rcpt_mailer} {trusted_domain}",
}


def arrange(
    directory: Path, filters: Filters, managers: Mapping[str, str], mailbox: Mailbox
) -> PrivatePostfix:
    """Return a Postfix, not yet started, with a listener for the direct way and one for each manager.

    The ways `direct` and `postmill` exist once more with `-trusted` behind their names.
    """
    ways = dict(managers)
    ways["direct"] = ", ".join(milter.endpoint for milter in filters.chain("direct").values())
    options = {way: {"smtpd_milters": milters, "syslog_name": way} for way, milters in ways.items()}
    for way in ("direct", "postmill"):
        name = f"{way}-trusted"
        options[name] = {**options[way], **TRUSTED, "syslog_name": name}
    relay = f"smtp:[127.0.0.1]:{mailbox.port}"
    main = {"relay_domains": "test.example", "relay_transport": relay, "default_transport": relay}
    base = directory / "postfix"
    base.mkdir(mode=0o755)
    return PrivatePostfix(main, [smtpd(free_port(), each) for each in options.values()], base=base)


def listeners(postfix: PrivatePostfix) -> dict[str, int]:
    """Return the port of each way."""
    inet = (service for service in postfix.services if service.type == "inet")
    return {service.options["syslog_name"]: int(service.name.rpartition(":")[2]) for service in inet}


@pytest.fixture(scope="package")
def arrangement() -> Iterator[Arrangement]:
    """The whole arrangement, once for all tests of this folder."""
    peers.require()
    directory = public_directory("stack-")
    try:
        yield from arranged(directory)
    finally:
        shutil.rmtree(directory)


def arranged(directory: Path) -> Iterator[Arrangement]:
    """Start everything below `directory`; yield once; stop it."""
    with Filters(directory, KNOWN, ("direct", *VARIANTS)) as filters, Mailbox() as mailbox:
        managers = {
            name: Manager(directory, tables(filters.chain(name), **children), settings, name)
            for name, (settings, children) in VARIANTS.items()
        }
        greylist = {"milter-greylist": filters.greylists["postmill"]}
        macros = {"rcpt": {"trusted_domain": "yes"}}
        managers["trusting"] = Manager(directory, tables(greylist, macros=macros), name="trusting")
        endpoints = {name: manager.endpoint for name, manager in managers.items()}
        postfix = arrange(directory, filters, endpoints, mailbox)
        with running(managers.values()), postfix:
            yield Arrangement(filters, managers, postfix, mailbox, listeners(postfix))
