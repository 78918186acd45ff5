"""Processes that the parent keeps running beside the mail: the dashboard, metrics, traces.

Each is another ``postmill`` command. When it ends it is started again, after a pause that grows as long as
it does not live; whatever it does, mail goes on. Its standard input is a pipe that closes when the parent is
gone, so that it never outlives it.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from postmill.config.settings import Settings

log = logging.getLogger("postmill.parent")

_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LIVES = 30.0
"""Seconds after which one has lived, and the next one is started without a long pause."""
_END_WITHIN = 5.0
_DEFAULTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)


class Companion:
    """One such process. Nothing here waits, but for its end when the daemon itself ends."""

    def __init__(self, name: str) -> None:
        """``name`` is what it is called in the log."""
        self.pid = 0
        """Its process id; 0 while there is none."""
        self._name = name
        self._words: Sequence[str] = ()
        self._reads: object = None
        self._start_at = math.inf
        self._pause = _PAUSE
        self._started = 0.0
        self._lifeline = -1
        self._told_to_end = False

    def follow(self, words: Sequence[str], reads: object) -> None:
        """Have ``postmill`` run with these words, none for not at all.

        ``reads`` is all of the configuration that it goes by: with another one it is started anew.
        """
        if (words, reads) == (self._words, self._reads):
            return
        self._words, self._reads = words, reads
        self._pause = _PAUSE
        if self.pid:
            self._tell_to_end()
        elif words:
            self._start_at = time.monotonic()
            self.sweep()

    def has_ended(self, pid: int, status: int) -> None:
        """Take note that a process has ended; ``status`` is that of waitpid."""
        if pid != self.pid:
            return
        self.pid = 0
        os.close(self._lifeline)
        now = time.monotonic()
        if self._told_to_end:
            self._start_at = now if self._words else math.inf
            return
        if now - self._started > _LIVES:
            self._pause = _PAUSE
        code = os.waitstatus_to_exitcode(status)
        log.error("%s ended with status %d; started again in %g s", self._name, code, self._pause)
        self._start_at = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    @property
    def pause(self) -> float:
        """Seconds within which ``sweep`` wants to be called."""
        return max(0.0, self._start_at - time.monotonic())

    def sweep(self) -> None:
        """Start it when it is time."""
        if time.monotonic() < self._start_at:
            return
        self._start_at = math.inf
        try:
            self._start()
        except OSError as error:
            log.error("%s cannot be started: %s", self._name, error.strerror)
            self._start_at = time.monotonic() + _LONGEST_PAUSE

    def _start(self) -> None:
        its_end, self._lifeline = os.pipe()
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                (sys.executable, "-P", "-m", "postmill", *self._words),
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, its_end, 0)],
                setsigmask=(),
                setsigdef=_DEFAULTS,
            )
        except OSError:
            os.close(self._lifeline)
            raise
        finally:
            os.close(its_end)
        self._started = time.monotonic()
        self._told_to_end = False

    def _tell_to_end(self) -> None:
        self._told_to_end = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def abandon(self) -> None:
        """Close in a new process what is its parent's."""
        if self.pid:
            os.close(self._lifeline)

    def dismiss(self) -> None:
        """Have it end for good."""
        self._words = ()
        self._start_at = math.inf
        if self.pid:
            self._tell_to_end()

    def wait_until(self, deadline: float) -> None:
        """Wait for its end, and kill it when the monotonic clock passes ``deadline``."""
        if not self.pid:
            return
        while time.monotonic() < deadline:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return
            if pid:
                self.has_ended(pid, status)
                return
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)


class Companions:
    """All that run beside the mail."""

    def __init__(self) -> None:
        names = {"web": "the dashboard", "metrics": "metrics", "trace": "traces"}
        self._by_command = {command: Companion(name) for command, name in names.items()}

    def follow(self, file: str, settings: Settings) -> None:
        """Have those run that a configuration wants, anew when something has changed that they read."""
        history, log_settings, control = settings.history.url, settings.log, settings.control.socket
        wanted = {
            "web": (bool(settings.web.listen), (settings.web, history, control, log_settings)),
            "metrics": (settings.metrics.listen is not None, (settings.metrics, control, log_settings)),
            "trace": (bool(settings.tracing.endpoint), (settings.tracing, history, log_settings)),
        }
        for command, (runs, reads) in wanted.items():
            words = (command, "--config", file, "--beside-daemon") if runs else ()
            self._by_command[command].follow(words, reads)

    def has_ended(self, pid: int, status: int) -> None:
        """Take note that a process has ended; ``status`` is that of waitpid."""
        for one in self._by_command.values():
            one.has_ended(pid, status)

    @property
    def pause(self) -> float:
        """Seconds within which ``sweep`` wants to be called."""
        return min(one.pause for one in self._by_command.values())

    def sweep(self) -> None:
        """Start those whose time it is."""
        for one in self._by_command.values():
            one.sweep()

    def abandon(self) -> None:
        """Close in a new process what is its parent's."""
        for one in self._by_command.values():
            one.abandon()

    def end(self) -> None:
        """End them for good; waits a few seconds at most."""
        for one in self._by_command.values():
            one.dismiss()
        deadline = time.monotonic() + _END_WITHIN
        for one in self._by_command.values():
            one.wait_until(deadline)
