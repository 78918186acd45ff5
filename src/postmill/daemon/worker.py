"""One worker process: serves the shared listening sockets until it is told to finish.

Signals begin and hasten the end. What else the parent wants comes over a channel, a line of JSON each:
``report`` (answered), ``log-level``, ``hurry``. At its end the worker tells there what it has counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from postmill.api.ports import Load
from postmill.config.settings import Settings
from postmill.daemon import garbage, logs
from postmill.daemon.composition import build_service
from postmill.daemon.ledger import Ledger, historian_of
from postmill.daemon.lines import LineReader, Message, decode, encode
from postmill.daemon.ports import system_ports
from postmill.daemon.report import report
from postmill.net.poller import Loop
from postmill.record import MessageRecord

log = logging.getLogger("postmill.worker")

READY = b"R"
_FAREWELL_WITHIN = 2.0
_LOOK = 0.1
"""Seconds between two looks at how many sessions all workers have: each adds up a number for every worker."""
_HISTORY_WITHIN = 3.0
"""Seconds in which the last records have to be written: less than a worker may take to end."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker shares with the others: where it counts its sessions, and the load of all."""

    counted: Callable[[int], None]
    load: Callable[[], Load]


def serve(
    settings: Settings,
    listeners: Sequence[socket.socket],
    ready: int,
    lifeline: int,
    channel: socket.socket,
    surroundings: Surroundings,
) -> None:
    """Serve until SIGTERM (finish within the drain time-out) or SIGUSR1 (finish at leisure).

    One byte is written to ``ready`` once MTAs are accepted, and it is closed when they are not any more;
    when ``lifeline`` closes, the parent is gone. ``hurry`` on the ``channel`` cuts off the sessions that are
    left.
    """
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(settings, listeners, ready, lifeline, channel, surroundings))


class _Duty:
    """A worker's service with what it has counted, and when it is to end."""

    def __init__(self, settings: Settings, loop: Loop, surroundings: Surroundings) -> None:
        self.ledger = Ledger(loop, historian_of(settings))
        ports = system_ports(surroundings.load)
        self._surroundings = surroundings
        self._looks_again = 0.0
        self.service = build_service(
            settings, loop, self._sink, ports, self._counted, self.ledger.session_ended
        )
        self.end: asyncio.Future[float | None] = loop.create_future()
        """How long sessions may take from then on; None: as long as they like."""

    def _sink(self, record: MessageRecord) -> None:
        self.ledger.add(record)
        logs.log_message(record)

    def _counted(self, sessions: int) -> None:
        self._surroundings.counted(sessions)
        now = time.monotonic()
        if sessions and now >= self._looks_again:
            self._looks_again = now + _LOOK
            self.ledger.sessions_open(self._surroundings.load().sessions)

    def finish(self, patience: float | None) -> None:
        """Begin to finish, within so many seconds (None: at leisure); or shorten the time for it."""
        if not self.end.done():
            self.end.set_result(patience)
        elif patience is not None:
            self.service.loop.call_later(patience, self.service.hurry)

    def act(self, message: Message) -> Message | None:
        """Do what the parent wants, and answer what it asks."""
        if message["do"] == "report":
            return {"number": message["number"], "report": report(self.service, self.ledger.tally)}
        if message["do"] == "log-level":
            logs.set_level(message["level"])
        elif message["do"] == "hurry":
            self.finish(0.0)
        return None


async def _serve(
    settings: Settings,
    listeners: Sequence[socket.socket],
    ready: int,
    lifeline: int,
    channel: socket.socket,
    surroundings: Surroundings,
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    duty = _Duty(settings, loop, surroundings)
    patience = settings.manager.drain_timeout
    loop.add_signal_handler(signal.SIGTERM, duty.finish, patience)
    loop.add_signal_handler(signal.SIGUSR1, duty.finish, None)
    for ignored in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # sent to the whole group by a terminal; the parent decides
        loop.add_signal_handler(ignored, lambda: None)
    loop.add_reader(lifeline, duty.finish, patience)
    attending = loop.create_task(_attend(channel, duty.act))
    garbage.calm()
    duty.service.start(listeners)
    os.write(ready, READY)
    granted = await duty.end
    loop.remove_reader(lifeline)
    draining = loop.create_task(duty.service.drain(granted))
    await asyncio.sleep(0)  # the sockets are closed now
    os.close(ready)
    if count := await draining:
        log.warning("%d sessions were cut off", count)
    attending.cancel()
    duty.ledger.close(_HISTORY_WITHIN)
    _say_farewell(channel, {"farewell": duty.ledger.tally.as_dict(), "cut_off": count})


async def _attend(channel: socket.socket, act: Callable[[Message], Message | None]) -> None:
    """Do what the parent says, and answer what it asks, until it is gone."""
    loop = asyncio.get_running_loop()
    channel.setblocking(False)
    lines = LineReader()
    with suppress(ConnectionError):
        while data := await loop.sock_recv(channel, 4096):
            for line in lines.feed(data):
                if (answer := act(decode(line))) is not None:
                    await loop.sock_sendall(channel, encode(answer))


def _say_farewell(channel: socket.socket, farewell: Message) -> None:
    channel.settimeout(_FAREWELL_WITHIN)
    with suppress(OSError):  # the parent is gone
        channel.sendall(encode(farewell))
