"""What is asked over the control socket, carried out by the parent (docs/control.md)."""

from __future__ import annotations

import logging
import os
import pwd
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from postmill import __version__
from postmill.daemon import logs
from postmill.daemon.control import Reply
from postmill.daemon.lines import Message
from postmill.daemon.overrides import ON, mode_in
from postmill.daemon.peer import Peer
from postmill.daemon.requests import Request
from postmill.daemon.status import Situation, status
from postmill.daemon.survey import Reports
from postmill.errors import ConfigError, NotPermittedError, PostmillError, UnavailableError
from postmill.record import Tally, one_line

if TYPE_CHECKING:
    from postmill.daemon.parent import Parent

log = logging.getLogger("postmill.control")

MOST_CHANGES = 50
"""How many requests for a change a status tells of."""


class Operations:
    """Carries out requests on one parent."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._past = Tally()
        """What workers have counted that are no more."""
        self._cut_off = 0
        """How many sessions they cut off."""
        self._changes: deque[Message] = deque(maxlen=MOST_CHANGES)
        """What was asked for, the newest last."""
        self._started = time.time()
        self._until_end: list[Reply] = []

    def perform(self, request: Request, peer: Peer, reply: Reply) -> Message | None:
        """See ``control.Act``."""
        parent = self._parent
        if request.only_looks:
            parent.survey.ask(lambda reports: reply(self._status(reports)))
            return None
        if not parent.control.operators.include(peer):
            log.warning("%s (process %d) may not %s", peer.user, peer.pid, request.command)
            raise NotPermittedError(f"user {peer.user} may only look; control.operators says who may do more")
        asked = one_line(str(request))
        who = peer.user
        if request.on_behalf_of:
            who = f"{one_line(request.on_behalf_of)} through {peer.user}"
        log.info("%s (process %d) asks for: %s", who, peer.pid, asked)
        change = {"at": round(time.time(), 3), "by": who, "asked": asked, "refused": ""}
        self._changes.append(change)
        try:
            return self._change(request, who, reply)
        except PostmillError as error:
            log.warning("%s: not done: %s", asked, error)
            change["refused"] = str(error)
            raise

    def _change(self, request: Request, who: str, reply: Reply) -> Message | None:
        values = request.values
        if request.command in ("stop", "drain"):
            how = "now" if values.get("now") else request.command
            return self._end(how, reply if values["wait"] else None)
        if request.command == "log-level":
            return self._set_log_level(values["level"], who)
        if self._parent.ending:
            raise UnavailableError(f"Postmill is {self._parent.ending}")
        if request.command == "reload":
            return self._reload(values["reset"])
        mode = {"enable": ON, "disable": "off"}.get(request.command) or values["mode"]
        return self._set_mode(values["milter"], mode, who)

    # -- looking --------------------------------------------------------------------------------------

    def _status(self, reports: Reports) -> dict[str, Any]:
        parent = self._parent
        now = time.time()
        facts = {
            "time": round(now, 3),
            "postmill": __version__,
            "pid": os.getpid(),
            "user": _user(),
            "state": parent.ending or "serving",
            "started": round(self._started, 3),
            "configuration": {"file": parent.loaded.file, "since": round(parent.since, 3)},
            "listen": [*map(str, parent.endpoints)],
            "changes": [*self._changes],
        }
        situation = Situation(facts, parent.loaded.settings, parent.overrides, parent.crew, self._past)
        return status(situation, reports)

    # -- changing -------------------------------------------------------------------------------------

    def _reload(self, reset: bool) -> Message:
        try:
            return {"text": self._parent.reload(reset)}
        except PostmillError as error:
            raise ConfigError(f"refused, the old configuration stays in force: {error}") from error

    def _set_mode(self, milter: str, mode: str, who: str) -> Message:
        parent = self._parent
        overrides = parent.overrides.with_mode(parent.loaded.settings, milter, mode, who)
        was = mode_in(parent.settings, milter)
        if overrides != parent.overrides:
            parent.override(overrides)
        now = mode_in(parent.settings, milter)
        return {"milter": milter, "mode": now, "was": was, "overridden": milter in overrides.modes}

    def _set_log_level(self, level: str, who: str) -> Message:
        parent = self._parent
        parent.overrides = parent.overrides.with_log_level(level, who)
        parent.settings = parent.overrides.over(parent.loaded.settings)
        now = parent.settings.log.level
        logs.set_level(now)
        untold = parent.crew.tell({"do": "log-level", "level": now})
        return {"level": now, "untold_workers": [one.pid for one in untold]}

    def take_farewell(self, message: Message) -> None:
        """Keep what a worker has counted that comes to its end."""
        self._past.merge(message["farewell"])
        self._cut_off += message["cut_off"]

    # -- ending ---------------------------------------------------------------------------------------

    def _end(self, how: str, reply: Reply | None) -> Message | None:
        self._parent.end(how)
        if reply is None:
            return {"state": self._parent.ending}
        self._until_end.append(reply)
        return None

    def ended(self, killed: Sequence[int]) -> None:
        """Tell those who wait for it that all is over."""
        for reply in self._until_end:
            reply({"state": "ended", "cut_off": self._cut_off, "killed_workers": [*killed]})


def _user() -> str:
    """Return whom the daemon runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
