"""What the doctor looks at: the configuration, the mail server, the sockets and who answers on them.

A checkup gets a ``Patient`` and reads what it needs; what costs time (talking to a milter) is done once and
kept. Nothing here judges, and what touches the machine can be put in another's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from postmill.api.host import Finding
from postmill.config import Loaded
from postmill.config.settings import Child, MilterSettings
from postmill.daemon.machine import Machine
from postmill.detectors import detect
from postmill.errors import PostmillError
from postmill.host.accounts import Account, Look, account, look
from postmill.host.postfix import Postfix
from postmill.host.registered import Entry, registered
from postmill.host.relaying import Attempt, Door, attempt
from postmill.host.sendmail import Sendmail
from postmill.host.talking import Answer, listener, negotiate
from postmill.wire.endpoint import Endpoint

_OWN_ACCOUNT = "postmill"
"""The user of the service that the package installs."""
_PATIENCE = 5.0
"""Seconds for an SMTP server, and what Postmill gets beyond the time that its milters may take."""


@dataclass
class Patient:
    """One mail host with Postmill in it."""

    config_file: str
    loaded: Loaded | None = None
    """None where the configuration cannot be used; ``problems`` says why."""
    problems: tuple[PostmillError, ...] = ()
    postfix: Postfix | None = None
    sendmail: Sendmail | None = None
    no_mta: str = ""
    """Why neither was found."""
    running: bool = False
    """Whether Postfix runs."""
    look: Look = look
    account: Callable[[str], Account | None] = account
    listener: Callable[[str], Account | None] = listener
    talk: Callable[[Endpoint, float], Answer] = negotiate
    knock: Callable[[Door, float], Attempt] = attempt
    detect: Callable[[], tuple[Finding, ...]] = lambda: detect(Machine()).findings

    @property
    def milters(self) -> tuple[MilterSettings, ...]:
        """The milters in use that have a socket."""
        milters = self.loaded.settings.milters if self.loaded is not None else ()
        return tuple(milter for milter in milters if milter.mode != "off")

    @property
    def children(self) -> tuple[Child, ...]:
        """The milters in use and the filters inside Postmill, in the order in which they are asked."""
        children = self.loaded.settings.children if self.loaded is not None else ()
        return tuple(child for child in children if child.mode != "off")

    @property
    def listeners(self) -> tuple[Endpoint, ...]:
        """Where Postmill listens."""
        return self.loaded.settings.manager.listen if self.loaded is not None else ()

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Whom the mail server asks."""
        if self.loaded is None:
            return ()
        return registered(self.postfix, self.sendmail, self.loaded.settings)

    @cached_property
    def answers(self) -> Mapping[str, Answer]:
        """What each milter in use says when it is talked to, within the time for its connection."""
        return {milter.name: self.talk(milter.socket, milter.timeouts.connect) for milter in self.milters}

    @cached_property
    def own_answers(self) -> Mapping[Endpoint, Answer]:
        """What Postmill itself says on each of its sockets; it may have to wait for its milters first."""
        limits = (milter.timeouts for milter in self.milters)
        longest = max((limit.connect + limit.command for limit in limits), default=0.0)
        return {endpoint: self.talk(endpoint, longest + _PATIENCE) for endpoint in self.listeners}

    @property
    def answers_itself(self) -> bool:
        """Whether Postmill answers on one of its sockets at least."""
        return any(not answer.trouble for answer in self.own_answers.values())

    @cached_property
    def process(self) -> Account | None:
        """The user of the Postmill that runs now, with the groups that it has now."""
        found = (self.listener(endpoint.path) for endpoint in self.listeners if endpoint.kind == "unix")
        return next((one for one in found if one is not None), None)

    @cached_property
    def user(self) -> Account:
        """The user that Postmill runs as: configured, running, installed, or whoever asks."""
        configured = self.loaded.settings.manager.user if self.loaded is not None else ""
        running = self.process.name if self.process is not None else ""
        asking = str(os.geteuid())
        names = (configured, running, _OWN_ACCOUNT, asking)
        found = (self.account(name) for name in names if name)
        nameless = Account(asking, os.geteuid(), os.getegid(), frozenset(os.getgroups()))
        return next((one for one in found if one is not None), nameless)

    @cached_property
    def mta_user(self) -> Account | None:
        """The user that Postfix's processes run as; Sendmail's is root, which is not kept from anything."""
        return self.account(self.postfix.mail_owner) if self.postfix is not None else None

    def try_relaying(self, door: Door) -> Attempt:
        """Find out what an SMTP service does with mail from a stranger for a stranger."""
        return self.knock(door, _PATIENCE)

    def setup(self) -> tuple[str, ...]:
        """Return the words of the command that puts Postmill into Postfix as it should be."""
        if self.postfix is None:
            return ()
        words: tuple[str, ...] = (
            "postmill",
            "setup",
            "postfix",
            "--config-directory",
            self.postfix.directory,
        )
        words = (*words, "--config", self.config_file, "--yes")
        return (*words, "--reload") if self.running and self.answers_itself else words
