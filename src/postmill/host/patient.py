"""What the doctor looks at: the configuration, the mail server, the sockets and who answers on them.

A checkup gets a ``Patient`` and reads what it needs; what costs time (talking to a milter) is done once and
kept. Nothing here judges.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from postmill.config import Loaded
from postmill.config.settings import MilterSettings
from postmill.errors import PostmillError
from postmill.host.accounts import Account, Look, account, look
from postmill.host.postfix import Postfix
from postmill.testing.mta import FakeMta
from postmill.wire.endpoint import Endpoint
from postmill.wire.packets import OptNeg

_PEER = struct.Struct("3i")
_OWN_ACCOUNT = "postmill"
"""The user of the service that the package installs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of talking to a milter: its negotiation, or why there is none."""

    negotiated: OptNeg | None = None
    trouble: str = ""


@dataclass
class Patient:
    """One mail host with Postmill in it."""

    config_file: str
    loaded: Loaded | None
    """None where the configuration cannot be read; ``problems`` says why."""
    problems: tuple[PostmillError, ...] = ()
    postfix: Postfix | None = None
    within: float = 5.0
    """Seconds to wait for anybody's answer."""
    look: Look = look
    account: Callable[[str], Account | None] = account
    talk: Callable[[Endpoint, float], Answer] = field(default_factory=lambda: negotiate)

    @property
    def milters(self) -> tuple[MilterSettings, ...]:
        """The milters in use."""
        settings = self.loaded.settings if self.loaded is not None else None
        return tuple(milter for milter in settings.milters if milter.mode != "off") if settings else ()

    @property
    def listeners(self) -> tuple[Endpoint, ...]:
        """Where Postmill listens."""
        return self.loaded.settings.manager.listen if self.loaded is not None else ()

    @cached_property
    def answers(self) -> Mapping[str, Answer]:
        """What each milter in use says when it is talked to."""
        return {milter.name: self.talk(milter.socket, self.within) for milter in self.milters}

    @cached_property
    def own_answers(self) -> Mapping[Endpoint, Answer]:
        """What Postmill itself says on each of its sockets."""
        return {endpoint: self.talk(endpoint, self.within) for endpoint in self.listeners}

    @cached_property
    def user(self) -> Account:
        """The user that Postmill runs as: configured, running, installed, or whoever asks."""
        configured = self.loaded.settings.manager.user if self.loaded is not None else ""
        for name in (configured, self._running_user(), _OWN_ACCOUNT):
            found = self.account(name) if name else None
            if found is not None:
                return found
        return self.account(str(os.geteuid())) or Account(str(os.geteuid()), os.geteuid(), frozenset())

    def _running_user(self) -> str:
        for endpoint in self.listeners:
            if endpoint.kind == "unix" and (name := _user_listening(endpoint.path)):
                return name
        return ""

    @cached_property
    def mta_user(self) -> Account | None:
        """The user that Postfix's processes run as."""
        return self.account(self.postfix.mail_owner) if self.postfix is not None else None


def negotiate(endpoint: Endpoint, within: float) -> Answer:
    """Offer a milter what Postfix offers, and say goodbye."""
    try:
        with FakeMta(endpoint, timeout=within) as mta:
            answer = mta.negotiate()
            mta.quit()
            return Answer(answer)
    except (PostmillError, OSError, EOFError) as error:
        return Answer(trouble=getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _user_listening(path: str) -> str:
    """Return the user of the process that listens at a unix socket now, "" where nobody can tell."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(1)
            sock.connect(path)
            pid, _, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if pid <= 1:  # systemd opened it
            return ""
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        uid = next(int(line.split()[2]) for line in status.splitlines() if line.startswith("Uid:"))
        return pwd.getpwuid(uid).pw_name
    except (OSError, KeyError, StopIteration, ValueError):
        return ""
