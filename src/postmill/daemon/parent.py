"""The parent process: opens the sockets, starts workers, watches them, swaps them on a reload.

A reload builds the new configuration beside the old one. Only when its workers are serving do the old ones
stop accepting; their sessions finish undisturbed. A configuration that cannot be used changes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from postmill.config import Loaded
from postmill.config.settings import ManagerSettings, Settings
from postmill.daemon import logs, outcome, privileges, worker
from postmill.daemon.notify import activated_sockets, notify, notify_reloading, notify_stopping
from postmill.errors import PostmillError, UnavailableError
from postmill.net import listener
from postmill.wire.endpoint import Endpoint

log = logging.getLogger("postmill.parent")

_READY_WITHIN = 20.0
_RESTART_PAUSE = 1.0
_KILL_AFTER = 5.0
"""Seconds that a worker may take beyond the time in which its sessions have to end."""
_DESCRIPTORS = 1 << 18
_AT_START = ("socket_mode", "socket_group", "user", "group", "pid_file")
"""Settings of the manager that a reload cannot change: what they are about is done once, with all rights."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class _Listening:
    sock: socket.socket
    inode: int


@dataclass(slots=True)
class Parent:
    """One running Postmill."""

    load: Callable[[], Loaded]
    settings: Settings
    _listening: dict[Endpoint, _Listening] = field(default_factory=dict)
    _activated: list[socket.socket] = field(default_factory=list)
    _workers: dict[int, int] = field(default_factory=dict)
    """Process id to the descriptor that ends when the worker accepts nobody any more."""
    _retired: set[int] = field(default_factory=set)
    _replace_at: float = 0.0
    """When a lost worker may be replaced: one that cannot live must not be started in a tight loop."""
    _lifeline: tuple[int, int] = (-1, -1)
    _wakeup: tuple[int, int] = (-1, -1)
    _pending: set[int] = field(default_factory=set)
    _pid_file: str = ""

    # -- the life of a daemon -------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until told to stop; raises PostmillError when it cannot begin."""
        manager = self.settings.manager
        logs.configure(self.settings.log)
        _allow_many_descriptors()
        self._activated = activated_sockets()
        self._listening = self._listen(manager)
        self._wakeup = os.pipe()
        os.set_blocking(self._wakeup[1], False)
        for number in _SIGNALS:  # before anybody can learn from the pid file whom to signal
            signal.signal(number, self._signalled)
        try:
            self._write_pid_file(manager.pid_file)
            privileges.drop(manager.user, manager.group)
            self._workers = self._start_workers(self.settings, self._sockets(self._listening))
            notify("READY=1", f"MAINPID={os.getpid()}", f"STATUS={self._status()}")
            log.info("serving: %s", self._status())
            self._watch()
        finally:
            self._stop()

    def _status(self) -> str:
        sockets = ", ".join(str(endpoint) for endpoint in self._listening) or "handed-over sockets"
        names = ", ".join(m.name for m in self.settings.milters if m.mode != "off") or "no milters"
        return f"{sockets}; {len(self._workers)} workers; {names}"

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._pending.add(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wakeup[1], b"!")

    def _watch(self) -> None:
        """Act on signals until one says stop; start workers for those that were lost."""
        while True:
            pause = None
            if len(self._workers) < _count(self.settings):
                pause = max(0.0, self._replace_at - time.monotonic())
            if select.select([self._wakeup[0]], [], [], pause)[0]:
                os.read(self._wakeup[0], 512)
            pending, self._pending = self._pending, set()
            if signal.SIGCHLD in pending:
                self._reap()
            if signal.SIGTERM in pending or signal.SIGINT in pending:
                return
            if signal.SIGHUP in pending:
                self._reload()
            if len(self._workers) < _count(self.settings) and time.monotonic() >= self._replace_at:
                self._replace()

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

    # -- workers --------------------------------------------------------------------------------------

    def _start_workers(self, settings: Settings, sockets: list[socket.socket]) -> dict[int, int]:
        """Start all workers of a configuration and wait until each of them serves."""
        started: list[tuple[int, int]] = []
        problem = "a worker process did not come up; the log says why"
        try:
            if self._lifeline == (-1, -1):
                self._lifeline = os.pipe()
            for _ in range(_count(settings)):
                started.append(self._fork(settings, sockets))
            if all([_is_ready(ready) for _, ready in started]):
                return dict(started)
        except OSError as error:
            problem = f"cannot start a worker process: {error.strerror}"
        for pid, ready in started:
            self._retire(pid, signal.SIGTERM)
            os.close(ready)
        raise UnavailableError(problem)

    def _fork(self, settings: Settings, sockets: list[socket.socket]) -> tuple[int, int]:
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(ready_write)
            return pid, ready_read
        status = 1
        try:
            os.close(ready_read)
            os.close(self._lifeline[1])
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            logs.configure(settings.log)
            worker.serve(settings, sockets, ready_write, self._lifeline[0])
            status = 0
        except BaseException:
            log.exception("worker failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _retire(self, pid: int, number: signal.Signals) -> None:
        self._retired.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _reap(self) -> None:
        """Collect workers that ended; one that was not told to is replaced."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self._workers:
                os.close(self._workers.pop(pid))
                log.error("worker %d ended with status %d; starting another", pid, status)
                self._replace_at = time.monotonic() + _RESTART_PAUSE
            self._retired.discard(pid)

    def _replace(self) -> None:
        """Start one worker for one that was lost; what goes wrong is tried again a little later."""
        self._replace_at = time.monotonic() + _RESTART_PAUSE
        try:
            pid, ready = self._fork(self.settings, self._sockets(self._listening))
        except OSError as error:
            log.error("cannot start a worker process: %s", error.strerror)
            return
        if _is_ready(ready):
            self._workers[pid] = ready
        else:
            os.close(ready)
            self._retire(pid, signal.SIGKILL)

    # -- reload and stop ------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Swap the configuration, or keep the old one and say why."""
        notify_reloading()
        began = time.monotonic()
        before = self.settings.manager
        try:
            self._swap(self.load().settings)
        except (PostmillError, OSError) as error:
            log.error("reload refused, the old configuration stays in force: %s", error)
            notify("READY=1", f"STATUS=reload refused: {error}")
            outcome.tell(outcome.Outcome(began, False, str(error)))
            return
        text = self._status()
        after = self.settings.manager
        if late := [f"manager.{key}" for key in _AT_START if getattr(before, key) != getattr(after, key)]:
            text += f"; only after a restart: {', '.join(late)}"
        notify("READY=1", f"STATUS={text}")
        log.info("reloaded: %s", text)
        outcome.tell(outcome.Outcome(began, True, text))

    def _swap(self, settings: Settings) -> None:
        """Start workers of a new configuration, then retire those of the old one."""
        listening = self._listen(settings.manager)
        try:
            workers = self._start_workers(settings, self._sockets(listening))
        except PostmillError:
            self._unlisten({e: one for e, one in listening.items() if e not in self._listening})
            raise
        self._unlisten({e: one for e, one in self._listening.items() if e not in listening})
        old, self._workers = self._workers, workers
        self._listening, self.settings = listening, settings
        for pid in old:
            self._retire(pid, signal.SIGUSR1)
        for ready in old.values():
            _wait_end(ready)
        logs.configure(settings.log)

    def _stop(self) -> None:
        """Take the sockets away, let workers finish, collect them."""
        patience = self.settings.manager.drain_timeout + _KILL_AFTER
        notify_stopping(patience + _KILL_AFTER)
        self._unlisten(self._listening)
        self._pending.clear()
        for pid in [*self._workers, *self._retired]:
            self._retire(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self._retired and time.monotonic() < deadline:
            self._collect_retired()
            if not self._pending.isdisjoint((signal.SIGTERM, signal.SIGINT)):  # told twice: no more patience
                self._pending.clear()
                for pid in list(self._retired):
                    self._retire(pid, signal.SIGTERM)
        for pid in self._retired:
            log.error("worker %d did not finish; killing it", pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._remove_pid_file()
        log.info("stopped")

    def _collect_retired(self) -> None:
        for pid in list(self._retired):
            try:
                done, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done = pid
            if done:
                self._retired.discard(pid)
        if self._retired:
            time.sleep(0.02)

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


def _allow_many_descriptors() -> None:
    """Take as many descriptors as we may: each session needs one, and one for each milter."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(few, wanted), most))


def _count(settings: Settings) -> int:
    """Return how many workers a configuration wants."""
    return settings.manager.workers or os.cpu_count() or 1


def _is_ready(fd: int) -> bool:
    """Wait for a worker's sign that it serves."""
    readable, _, _ = select.select([fd], [], [], _READY_WITHIN)
    return bool(readable) and os.read(fd, 1) == worker.READY


def _wait_end(fd: int) -> None:
    """Wait until a worker accepts nobody any more."""
    select.select([fd], [], [], _READY_WITHIN)
    os.close(fd)
