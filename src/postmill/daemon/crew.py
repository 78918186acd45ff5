"""The worker processes as their parent sees them: started, told, asked, retired, collected.

Which workers there should be, and when, is for ``parent`` to say. What one of them does is in ``worker``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from postmill.config.settings import Settings
from postmill.daemon import logs, worker
from postmill.daemon.lines import LineReader, Message, decode, encode
from postmill.daemon.mail_load import LoadMeter, SessionCounts
from postmill.errors import PostmillError, RequestError, UnavailableError

log = logging.getLogger("postmill.parent")

_READY_WITHIN = 20.0
_REACT_WITHIN = 5.0
"""Seconds for a retired worker to accept nobody any more."""
_READ = 1 << 16


@dataclass(slots=True)
class Worker:
    """One worker process; ``ready`` is the descriptor that ends when it accepts nobody any more."""

    pid: int
    ready: int
    channel: socket.socket
    since: float
    """When it was started, in seconds of the wall clock."""
    talks: bool = True
    """Its end of the channel is open."""
    counted: Mapping[str, Any] | None = None
    """The tally of its last report, until it says farewell."""
    _lines: LineReader = field(default_factory=LineReader)

    def tell(self, message: Message) -> bool:
        """Send it a message; False when it has not read the earlier ones, or is gone."""
        data = encode(message)
        try:
            return self.channel.send(data) == len(data)
        except OSError:
            return False

    def listen(self) -> Iterator[Message]:
        """Return what it has told since."""
        try:
            while data := self.channel.recv(_READ):
                for line in self._lines.feed(data):
                    with contextlib.suppress(RequestError):  # a line that it could not finish
                        yield decode(line)
            self.talks = False
        except BlockingIOError:
            return
        except OSError:
            self.talks = False


@dataclass(slots=True)
class Crew:
    """Workers that serve, and retired ones that only finish their sessions; both by process id.

    ``abandon`` is called in each new process to give up what is its parent's alone; ``hear`` is given what a
    worker tells; ``stranger`` the id and status of a process that ended and was no worker.
    """

    selector: selectors.BaseSelector
    abandon: Callable[[], None]
    hear: Callable[[Worker, Message], None]
    stranger: Callable[[int, int], None] = lambda pid, status: None
    process_limit: int = 0
    """How many processes the MTA may run, for conditions that look at the load."""
    serving: dict[int, Worker] = field(default_factory=dict)
    retired: dict[int, Worker] = field(default_factory=dict)
    _lifeline: tuple[int, int] = (-1, -1)
    _counts: SessionCounts = field(default_factory=SessionCounts)

    @property
    def all(self) -> list[Worker]:
        """Every worker there is."""
        return [*self.serving.values(), *self.retired.values()]

    def tell(self, message: Message) -> list[Worker]:
        """Send all workers a message; return those that it could not be sent to."""
        return [one for one in self.all if not one.tell(message)]

    # -- beginning ------------------------------------------------------------------------------------

    def start(self, count: int, settings: Settings, sockets: Sequence[socket.socket]) -> list[Worker]:
        """Start workers and wait until each of them serves; raises UnavailableError when one does not."""
        started: list[Worker] = []
        problem = "a worker process did not come up; the log says why"
        try:
            for _ in range(count):
                started.append(self._fork(settings, sockets, started))
        except OSError as error:
            problem = f"cannot start a worker process: {error.strerror}"
        ready = [one for one in started if _is_ready(one.ready)]
        if len(ready) == count:
            return ready
        self.retire(ready, signal.SIGTERM)
        self.retire([one for one in started if one not in ready], signal.SIGKILL)
        raise UnavailableError(problem)

    def take_over(self, workers: Iterable[Worker]) -> None:
        """Let these serve, and those that serve now finish at leisure; returns when these accept nobody."""
        old = list(self.serving.values())
        self.serving = {one.pid: one for one in workers}
        self.retire(old, signal.SIGUSR1)
        deadline = time.monotonic() + _REACT_WITHIN
        for one in old:
            if not _readable(one.ready, deadline - time.monotonic()):
                log.error("worker %d does not react; it may still take new sessions", one.pid)

    def add_one(self, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        """Start one worker in the place of one that was lost; what goes wrong is logged."""
        try:
            (one,) = self.start(1, settings, sockets)
        except PostmillError as error:
            log.error("%s", error)
        else:
            self.serving[one.pid] = one

    def _fork(self, settings: Settings, sockets: Sequence[socket.socket], others: Sequence[Worker]) -> Worker:
        if self._lifeline == (-1, -1):
            self._lifeline = os.pipe()
        ready, ready_write = os.pipe()
        channel, its_channel = socket.socketpair()
        place = self._counts.take_place()
        try:
            pid = os.fork()
        except OSError:
            for descriptor in (ready, ready_write, channel.detach(), its_channel.detach()):
                os.close(descriptor)
            self._counts.give_back(0)
            raise
        if pid:
            os.close(ready_write)
            its_channel.close()
            channel.setblocking(False)
            self._counts.belongs_to(place, pid)
            one = Worker(pid, ready, channel, time.time())
            self.selector.register(channel, selectors.EVENT_READ, lambda: self._listen(one))
            return one
        status = 1
        try:
            os.close(ready)
            channel.close()
            self._disinherit([*self.all, *others])
            logs.configure(settings.log)
            surroundings = worker.Surroundings(
                partial(self._counts.write, place), LoadMeter(self._counts, self.process_limit)
            )
            worker.serve(settings, sockets, ready_write, self._lifeline[0], its_channel, surroundings)
            status = 0
        except BaseException:
            log.exception("worker failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _disinherit(self, others: Sequence[Worker]) -> None:
        """Close in a new worker what is its parent's."""
        os.close(self._lifeline[1])
        for one in others:
            one.channel.close()
            os.close(one.ready)
        self.abandon()

    # -- what they tell -------------------------------------------------------------------------------

    def _listen(self, one: Worker) -> None:
        for message in one.listen():
            one.counted = message["report"]["tally"] if "report" in message else None
            self.hear(one, message)
        if not one.talks:
            self.selector.unregister(one.channel)

    # -- ending ---------------------------------------------------------------------------------------

    def retire(self, workers: Iterable[Worker], number: signal.Signals) -> None:
        """Signal workers to finish."""
        for one in list(workers):
            self.serving.pop(one.pid, None)
            self.retired[one.pid] = one
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, number)

    def reap(self) -> list[int]:
        """Collect workers that ended; return those that should not have."""
        lost: list[int] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return lost
            if not pid:
                return lost
            if pid in self.serving:
                log.error("worker %d ended with status %d; starting another", pid, status)
                lost.append(pid)
            self._counts.give_back(pid)
            one = self.serving.pop(pid, None) or self.retired.pop(pid, None)
            if one is None:
                self.stranger(pid, status)
            else:
                self._forget(one)

    def _forget(self, one: Worker) -> None:
        if one.talks:
            self._listen(one)
        if one.talks:  # somebody else holds the other end
            self.selector.unregister(one.channel)
        if one.counted is not None:  # it was killed: what it said last is its farewell, lest counts go down
            self.hear(one, {"farewell": one.counted, "cut_off": 0})
        one.channel.close()
        os.close(one.ready)


def _readable(fd: int, seconds: float) -> bool:
    """Wait until there is something to read; unlike select(2), poll(2) takes any descriptor."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _is_ready(fd: int) -> bool:
    """Wait for a worker's sign that it serves."""
    return _readable(fd, _READY_WITHIN) and os.read(fd, 1) == worker.READY
