"""All of the network side of one process: it accepts MTAs, owns the children, keeps the time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic

from postmill.api.ports import NO_PORTS, Ports
from postmill.chain.negotiation import Negotiations
from postmill.chain.notes import Observer
from postmill.chain.session import Session
from postmill.chain.state import Plan
from postmill.mail.body import Body
from postmill.net.children import ChildService
from postmill.net.link import ChildLink
from postmill.net.listener import accept
from postmill.net.poller import ACCEPT, Loop
from postmill.net.upstream import MtaConnection

log = logging.getLogger("postmill.net")

_TICK = 0.1
"""Seconds between two looks at the deadlines: one timer for all of them."""
_LISTEN_AGAIN = 0.5


class Service:
    """Serves MTAs on some listening sockets with one plan."""

    def __init__(
        self,
        loop: Loop,
        plan: Plan,
        *,
        new_observer: Callable[[], Observer],
        new_body: Callable[[], Body],
        ports: Ports = NO_PORTS,
        counted: Callable[[int], None] = lambda sessions: None,
        condition_timeout: float = 10.0,
        progress_interval: float = 8.0,
        max_connections: int = 4096,
    ) -> None:
        """Be ready; ``children`` must be filled in before the first MTA is accepted."""
        self.loop = loop
        self.poller = loop.poller
        self.plan = plan
        self.now: Callable[[], float] = monotonic
        self.negotiations = Negotiations()
        self.children: Mapping[str, ChildService] = {}
        self.links: set[ChildLink] = set()
        """All that have not ended, kept ones included."""
        self.connections: set[MtaConnection] = set()
        self._new_observer = new_observer
        self.new_body = new_body
        self.condition_timeout = condition_timeout
        self._ports = ports
        self._counted = counted
        self._progress_interval = progress_interval
        self._max_connections = max_connections
        self._listeners: list[socket.socket] = []
        self._accepting = False
        self._drained: asyncio.Future[None] | None = None
        self._hurried = False
        self._timer: asyncio.TimerHandle | None = None

    # -- accepting ------------------------------------------------------------------------------------

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Accept MTAs from these sockets."""
        self._listeners = list(listeners)
        self._listen(True)
        self._timer = self.loop.call_later(_TICK, self._tick)

    def _listen(self, on: bool) -> None:
        if on == self._accepting:
            return
        self._accepting = on
        for sock in self._listeners:
            if on:
                self.poller.watch(sock.fileno(), ACCEPT, partial(self._accept, sock))
            else:
                self.poller.unwatch(sock.fileno())

    def _accept(self, listener: socket.socket, _events: int = 0) -> None:
        """Take one connection; while there are more the listener stays ready, and others have their turn."""
        if len(self.connections) >= self._max_connections:
            log.warning("%d connections: no more are taken for now", len(self.connections))
            self._listen(False)
            return
        try:
            sock = accept(listener)
        except OSError as error:
            log.error("cannot accept a connection: %s", error.strerror)
            self._listen(False)
            self.loop.call_later(_LISTEN_AGAIN, self._listen_again)
            return
        if sock is None:
            return
        session = Session(self.plan, self.negotiations, self._new_observer(), self.new_body, self._ports)
        self.connections.add(MtaConnection(self, sock, session))
        self._counted(len(self.connections))

    def _listen_again(self) -> None:
        if self._drained is None:
            self._listen(True)

    def open(self, name: str) -> ChildLink:
        """Return a link to a child."""
        return self.children[name].open()

    def closed(self, connection: MtaConnection) -> None:
        """A connection is over."""
        self.connections.discard(connection)
        self._counted(len(self.connections))
        if self._drained is not None:
            if not self.connections and not self._drained.done():
                self._drained.set_result(None)
        elif not self._accepting and len(self.connections) < self._max_connections:
            self._listen(True)

    # -- time -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look after deadlines, signs of life and idle links."""
        for sock in self._listeners:
            if self._accepting:  # the one that was woken for a new connection may have been stopped since
                self._accept(sock)
        now = self.now()
        self._counted(len(self.connections))
        for link in [link for link in self.links if link.deadline <= now]:
            link.timed_out()
        for connection in self.connections:
            connection.sign_of_life(now, self._progress_interval)
        for child in self.children.values():
            if child.pool is not None:
                child.pool.sweep()
        self._timer = self.loop.call_later(_TICK, self._tick)

    # -- stopping -------------------------------------------------------------------------------------

    async def drain(self, patience: float | None) -> int:
        """Accept nobody any more and let sessions end, for ``patience`` seconds (None: as long as they take).

        Returns how many sessions had to be cut off.
        """
        self._listen(False)
        for sock in self._listeners:
            sock.close()
        self._drained = self.loop.create_future()
        if not self.connections or self._hurried:
            self._drained.set_result(None)
        await asyncio.wait([self._drained], timeout=patience)
        self._drained.cancel()
        rest = list(self.connections)
        for connection in rest:
            connection.cut_off()
        for child in self.children.values():
            if child.pool is not None:
                child.pool.clear()
        if self._timer is not None:
            self._timer.cancel()
        return len(rest)

    def hurry(self) -> None:
        """End a drain, under way or about to begin: cut off what is left."""
        self._hurried = True
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
