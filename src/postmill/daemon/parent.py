"""The parent process: opens the sockets, starts workers, watches them, swaps them on a reload.

A reload builds the new configuration beside the old one. Only when its workers are serving do the old ones
stop accepting; their sessions finish undisturbed. A configuration that cannot be used changes nothing. What
operators change over the control socket takes the same way.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from types import FrameType

from postmill.config import Loaded
from postmill.config.settings import ManagerSettings, Settings
from postmill.daemon import logs, outcome, privileges
from postmill.daemon.companion import Companions
from postmill.daemon.control import ControlSocket
from postmill.daemon.crew import Crew, Worker
from postmill.daemon.lines import Message
from postmill.daemon.mail_load import process_limit
from postmill.daemon.notify import activated_sockets, notify, notify_reloading, notify_stopping
from postmill.daemon.operations import Operations
from postmill.daemon.overrides import Overrides
from postmill.daemon.survey import Survey
from postmill.errors import PostmillError, UnavailableError
from postmill.net import listener
from postmill.wire.endpoint import Endpoint

log = logging.getLogger("postmill.parent")

_RESTART_PAUSE = 1.0
_KILL_AFTER = 5.0
"""Seconds that a worker may take beyond the time in which its sessions have to end."""
_DESCRIPTORS = 1 << 18
_AT_START = (
    *(f"manager.{key}" for key in ("socket_mode", "socket_group", "user", "group", "pid_file")),
    *(f"control.{key}" for key in ("socket", "socket_mode", "socket_group")),
)
"""Settings that a reload cannot change: what they are about is done once, with all rights."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class _Listening:
    sock: socket.socket
    inode: int


@dataclass(slots=True)
class Parent:
    """One running Postmill."""

    load: Callable[[], Loaded]
    loaded: Loaded
    """The configuration file as it is in force."""
    settings: Settings = field(init=False)
    """Its settings with what operators changed since."""
    overrides: Overrides = field(default_factory=Overrides)
    since: float = field(default_factory=time.time)
    """When the configuration file was taken."""
    ending: str = ""
    """"draining" or "stopping" once it ends."""
    crew: Crew = field(init=False)
    survey: Survey = field(init=False)
    control: ControlSocket = field(init=False)
    companions: Companions = field(default_factory=Companions)
    _operations: Operations = field(init=False)
    _selector: selectors.BaseSelector = field(default_factory=selectors.PollSelector)
    """Without a descriptor of its own that workers would share."""
    _listening: dict[Endpoint, _Listening] = field(default_factory=dict)
    _activated: list[socket.socket] = field(default_factory=list)
    _replace_at: float = 0.0
    """When a lost worker may be replaced: one that cannot live must not be started in a tight loop."""
    _deadline: float = math.inf
    """Until when workers may take to end."""
    _wakeup: tuple[int, int] = (-1, -1)
    _pending: set[int] = field(default_factory=set)
    _pid_file: str = ""

    def __post_init__(self) -> None:
        self.settings = self.loaded.settings
        self.crew = Crew(self._selector, self._abandon, self._hear, self.companions.has_ended)
        self.survey = Survey(self.crew)
        self._operations = Operations(self)
        self.control = ControlSocket(self._selector, self._operations.perform)

    # -- the life of a daemon -------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until told to stop; raises PostmillError when it cannot begin."""
        manager = self.settings.manager
        logs.configure(self.settings.log)
        _log_warnings(self.loaded)
        _allow_many_descriptors()
        self._activated = activated_sockets()
        self._listening = self._listen(manager)
        self._wakeup = os.pipe()
        os.set_blocking(self._wakeup[1], False)
        self._selector.register(self._wakeup[0], selectors.EVENT_READ, self._woken)
        for number in _SIGNALS:  # before anybody can learn from the pid file whom to signal
            signal.signal(number, self._signalled)
        try:
            self._write_pid_file(manager.pid_file)
            self.control.open(self.settings.control)
            privileges.drop(manager.user, manager.group)
            self.crew.process_limit = process_limit(manager.mta_processes)
            self.crew.take_over(self._start_workers(self.settings, self._listening))
            self.companions.follow(self.loaded.file, self.loaded.settings)
            notify("READY=1", f"MAINPID={os.getpid()}", f"STATUS={self._status()}")
            log.info("serving: %s", self._status())
            while not self.ending:
                self._turn()
        finally:
            self._leave()

    def _status(self) -> str:
        sockets = ", ".join(map(str, self.endpoints)) or "handed-over sockets"
        names = ", ".join(m.name for m in self.settings.children if m.mode != "off") or "no milters"
        return f"{sockets}; {len(self.crew.serving)} workers; {names}"

    # -- what comes from outside ----------------------------------------------------------------------

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._pending.add(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wakeup[1], b"!")

    def _woken(self) -> None:
        os.read(self._wakeup[0], 512)

    def _hear(self, one: Worker, message: Message) -> None:
        """Take what a worker tells."""
        if "report" in message:
            self.survey.hear(one.pid, message)
        else:
            self.survey.forget(one.pid)
            self._operations.take_farewell(message)

    def _turn(self) -> None:
        """Wait until something is to be done, and do it."""
        pause = min(self._pause(), self.control.pause, self.survey.pause, self.companions.pause)
        ready = self._selector.select(None if pause == math.inf else pause)
        for act in (
            *(key.data for key, _ in ready),
            self.control.sweep,
            self.survey.sweep,
            self.companions.sweep,
        ):
            try:
                act()
            except Exception:  # who looks after mail must not end it
                log.exception("defect in Postmill; mail goes on")
        pending, self._pending = self._pending, set()
        if signal.SIGCHLD in pending and self.crew.reap():
            self._replace_at = time.monotonic() + _RESTART_PAUSE
        if signal.SIGTERM in pending or signal.SIGINT in pending:
            self.end("now" if self.ending == "stopping" else "stop")
        if self.ending:
            return
        if signal.SIGHUP in pending:
            self._reload_as_signalled()
        if self._lacks_workers() and time.monotonic() >= self._replace_at:
            self._replace_at = time.monotonic() + _RESTART_PAUSE
            self.crew.add_one(self.settings, self._sockets(self._listening))

    def _pause(self) -> float:
        if self.ending:
            return max(0.0, self._deadline - time.monotonic())
        return max(0.0, self._replace_at - time.monotonic()) if self._lacks_workers() else math.inf

    def _lacks_workers(self) -> bool:
        return len(self.crew.serving) < _count(self.settings)

    def _abandon(self) -> None:
        """Give up in a new worker what is its parent's alone."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for descriptor in self._wakeup:
            os.close(descriptor)
        self.control.abandon()
        self.companions.abandon()

    # -- sockets --------------------------------------------------------------------------------------

    def _listen(self, manager: ManagerSettings) -> dict[Endpoint, _Listening]:
        """Open what is to be listened on and is not open yet."""
        if self._activated:
            return {}
        opened: dict[Endpoint, _Listening] = {}
        try:
            for endpoint in manager.listen:
                if endpoint in self._listening:
                    continue
                sock = listener.bind(endpoint, manager.socket_mode, manager.socket_group)
                inode = os.lstat(endpoint.path).st_ino if endpoint.kind == "unix" else 0
                opened[endpoint] = _Listening(sock, inode)
        except PostmillError:
            self._unlisten(opened)
            raise
        kept = {
            endpoint: self._listening[endpoint] for endpoint in manager.listen if endpoint in self._listening
        }
        return {**kept, **opened}

    def _unlisten(self, listening: dict[Endpoint, _Listening]) -> None:
        for endpoint, one in listening.items():
            listener.remove(one.sock, endpoint, one.inode)

    def _sockets(self, listening: dict[Endpoint, _Listening]) -> list[socket.socket]:
        return [*self._activated, *(one.sock for one in listening.values())]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where MTAs are accepted."""
        return (*map(listener.endpoint_of, self._activated), *self._listening)

    # -- changing the configuration -------------------------------------------------------------------

    def reload(self, reset: bool = False) -> str:
        """Take the changed file, and say what is in force then; ``reset`` drops what operators changed.

        Raises PostmillError when the old configuration stays in force.
        """
        notify_reloading()
        before = self.loaded.settings
        has_control = self.control.is_open
        try:
            loaded = self.load()
            self.crew.process_limit = process_limit(loaded.settings.manager.mta_processes)
            self._swap(loaded, Overrides() if reset else self.overrides.still_over(loaded.settings))
        except Exception as error:  # whatever it is: those who mail have nothing to do with it
            expected = isinstance(error, PostmillError | OSError)
            log.error(
                "reload refused, the old configuration stays in force: %s", error, exc_info=not expected
            )
            notify("READY=1", f"STATUS=reload refused: {error}")
            if isinstance(error, PostmillError):
                raise
            raise UnavailableError(getattr(error, "strerror", None) or str(error)) from error
        self.since = time.time()
        self.control.open(self.settings.control)
        self.companions.follow(self.loaded.file, self.loaded.settings)
        text = self._status()
        late = [key for key in _AT_START if attrgetter(key)(before) != attrgetter(key)(loaded.settings)]
        if late := [key for key in late if has_control or not key.startswith("control.")]:
            text += f"; only after a restart: {', '.join(late)}"
        notify("READY=1", f"STATUS={text}")
        _log_warnings(loaded)
        log.info("reloaded: %s", text)
        return text

    def _reload_as_signalled(self) -> None:
        """Reload, and tell what came of it to whoever waits for that."""
        began = time.monotonic()
        try:
            outcome.tell(outcome.Outcome(began, True, self.reload()))
        except PostmillError as error:
            outcome.tell(outcome.Outcome(began, False, str(error)))

    def override(self, overrides: Overrides) -> None:
        """Go on with what operators want; raises PostmillError when all stays as it was."""
        self._swap(self.loaded, overrides)
        notify(f"STATUS={self._status()}")
        log.info("changed: %s", self._status())

    def _swap(self, loaded: Loaded, overrides: Overrides) -> None:
        """Start workers of a new configuration, then retire those of the old one."""
        settings = overrides.over(loaded.settings)
        listening = self._listen(settings.manager)
        try:
            workers = self._start_workers(settings, listening)
        except PostmillError:
            self._unlisten({e: one for e, one in listening.items() if e not in self._listening})
            raise
        self._unlisten({e: one for e, one in self._listening.items() if e not in listening})
        self._listening, self.loaded, self.overrides, self.settings = listening, loaded, overrides, settings
        self.crew.take_over(workers)
        logs.configure(settings.log)

    def _start_workers(self, settings: Settings, listening: dict[Endpoint, _Listening]) -> list[Worker]:
        return self.crew.start(_count(settings), settings, self._sockets(listening))

    # -- ending ---------------------------------------------------------------------------------------

    def end(self, how: str) -> None:
        """Take the sockets away and let workers finish, or have them finish sooner.

        ``drain``: as long as sessions take. ``stop``: within the drain time-out. ``now``: they are cut off.
        """
        if how == "drain" and self.ending:
            return
        if not self.ending:
            self._unlisten(self._listening)
        if how == "drain":
            self.ending, patience = "draining", math.inf
            notify("STATUS=draining: no new sessions")  # STOPPING=1 would begin the manager's time-out
        else:
            self.ending, patience = "stopping", _KILL_AFTER
        if how == "stop":
            patience += self.settings.manager.drain_timeout
        if how != "drain":
            notify_stopping(patience + _KILL_AFTER)
        self._deadline = min(self._deadline, time.monotonic() + patience)
        self.crew.retire(self.crew.all, signal.SIGUSR1 if how == "drain" else signal.SIGTERM)
        if how == "now":
            self.crew.tell({"do": "hurry"})

    def _leave(self) -> None:
        """Collect the workers, and leave nothing behind."""
        if not self.ending:
            self.end("stop")
        while self.crew.all and time.monotonic() < self._deadline:
            self._turn()
        for one in self.crew.all:
            log.error("worker %d did not finish; killing it", one.pid)
        self.crew.retire(self.crew.all, signal.SIGKILL)
        self.companions.end()
        self._remove_pid_file()
        self._operations.ended([*self.crew.retired])
        self.control.close()
        # As it ends, Python would let them kill it again.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        log.info("stopped")

    # -- pid file -------------------------------------------------------------------------------------

    def _write_pid_file(self, path: str) -> None:
        if not path:
            return
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as error:
            raise UnavailableError(f"cannot write manager.pid_file {path}: {error.strerror}") from error
        self._pid_file = path

    def _remove_pid_file(self) -> None:
        """Remove what was written at the start, whatever the configuration says by now."""
        if self._pid_file:
            with contextlib.suppress(OSError):
                os.unlink(self._pid_file)


def _log_warnings(loaded: Loaded) -> None:
    """Say what in the configuration looks unintended, such as a milter that was found and cannot be used."""
    for warning in loaded.warnings:
        log.warning("%s", warning)


def _allow_many_descriptors() -> None:
    """Take as many descriptors as we may: each session needs one, and one for each milter."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(few, wanted), most))


def _count(settings: Settings) -> int:
    """Return how many workers a configuration wants."""
    return settings.manager.workers or os.cpu_count() or 1
