"""The control socket: takes requests, one JSON object on a line, and gives each an answer.

Nothing here ever waits. A client that is slow, silent or talks nonsense costs a descriptor and a few
kilobytes, and after ``PATIENCE`` seconds not even that. Those who may only look cannot keep operators out.
"""

from __future__ import annotations

import logging
import math
import os
import select
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from postmill.config.settings import ControlSettings
from postmill.daemon.lines import LineReader, Message, decode, encode
from postmill.daemon.peer import Operators, Peer, peer_of
from postmill.daemon.requests import MOST_BYTES, Request, done, refused, request_of
from postmill.errors import PostmillError, UnavailableError
from postmill.net import listener

log = logging.getLogger("postmill.control")

PATIENCE = 10.0
"""Seconds for a request to arrive, and for an answer to be taken."""
MOST_CLIENTS = 32
"""Connections at the same time, of operators and of others each."""
_TICK = 0.1

Reply = Callable[[Message], None]
Act = Callable[[Request, Peer, Reply], Message | None]
"""Performs a request and returns the result; or None, and replies with it later; or raises PostmillError."""


class _Client:
    """One connection."""

    def __init__(self, sock: socket.socket, peer: Peer, operator: bool) -> None:
        self.sock = sock
        self.peer = peer
        self.operator = operator
        self.lines = LineReader(MOST_BYTES)
        self.asked: deque[bytes] = deque()
        self.unsent = b""
        self.busy = False
        """A request of its is being performed."""
        self.last = False
        """It will not ask for anything more."""
        self.deadline = time.monotonic() + PATIENCE
        self.events = 0

    @property
    def gone(self) -> bool:
        """Whether it cannot even take an answer any more; one that only has nothing more to ask still can."""
        poll = select.poll()
        poll.register(self.sock, 0)
        return bool(poll.poll(0))


class ControlSocket:
    """Listens, if the settings say so, and hands requests to ``act``."""

    def __init__(self, selector: selectors.BaseSelector, act: Act) -> None:
        self.operators = Operators()
        self._selector = selector
        self._act = act
        self._sock: socket.socket | None = None
        self._inode = 0
        self._settings = ControlSettings()
        self._clients: set[_Client] = set()

    # -- listening ------------------------------------------------------------------------------------

    def open(self, settings: ControlSettings) -> None:
        """Listen, unless it does; what is in the way is logged, because mail goes on without it."""
        self.operators = Operators.named(settings.operators)
        if self._sock is not None or settings.socket is None:
            return
        self._settings = settings
        try:
            self._sock = listener.bind(
                settings.socket, settings.socket_mode, settings.socket_group, "control"
            )
            self._inode = os.lstat(settings.socket.path).st_ino
        except (PostmillError, OSError) as error:
            log.error("no control socket, `postmill status` and its like will not work: %s", error)
            return
        self._selector.register(self._sock, selectors.EVENT_READ, self._accept)

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._sock is not None

    def close(self) -> None:
        """Take the socket away, and leave all clients."""
        for client in list(self._clients):
            self._drop(client)
        if self._sock is not None and self._settings.socket is not None:
            self._selector.unregister(self._sock)
            listener.remove(self._sock, self._settings.socket, self._inode)
            self._sock = None

    def abandon(self) -> None:
        """Close in a new process what is its parent's, without a trace."""
        for client in self._clients:
            client.sock.close()
        if self._sock is not None:
            self._sock.close()

    # -- clients --------------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._sock is not None
        try:
            sock, _ = self._sock.accept()
            sock.setblocking(False)
            peer = peer_of(sock)
        except OSError:
            return
        client = _Client(sock, peer, self.operators.include(peer))
        if sum(other.operator == client.operator for other in self._clients) >= MOST_CLIENTS:
            self._answer(client, refused(UnavailableError("too many connections to the control socket")))
            sock.close()
            return
        self._clients.add(client)
        self._next(client)

    def _watch(self, client: _Client, events: int) -> None:
        """Wait for a client to write or to read; for nothing while its request is performed."""
        if events == client.events:
            return
        if client.events:
            self._selector.unregister(client.sock)
        if events:
            self._selector.register(client.sock, events, partial(self._ready, client))
        client.events = events

    def _drop(self, client: _Client) -> None:
        self._watch(client, 0)
        self._clients.discard(client)
        client.sock.close()

    def sweep(self) -> None:
        """Drop clients that took too long, or that left before their answer."""
        now = time.monotonic()
        for client in list(self._clients):
            if client.deadline <= now or (client.busy and client.gone):
                self._drop(client)

    @property
    def pause(self) -> float:
        """Seconds within which ``sweep`` wants to be called."""
        return _TICK if self._clients else math.inf

    # -- requests and answers -------------------------------------------------------------------------

    def _ready(self, client: _Client) -> None:
        if client in self._clients:
            if client.events == selectors.EVENT_READ:
                self._read(client)
            else:
                self._write(client)
                self._next(client)

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(MOST_BYTES)
            client.last = not data
            client.asked.extend(client.lines.feed(data))
        except BlockingIOError:
            return
        except PostmillError as error:
            self._answer(client, refused(error))
            client.last = True
        except OSError:
            self._drop(client)
            return
        self._next(client)

    def _next(self, client: _Client) -> None:
        """Perform what a client asked for, one after another, each when the last answer is on its way."""
        while client.asked and not client.busy and not client.unsent:
            self._perform(client, client.asked.popleft())
        if client.busy:
            self._watch(client, 0)
        elif client.unsent:
            self._watch(client, selectors.EVENT_WRITE)
        elif client.last:
            self._drop(client)
        else:
            self._watch(client, selectors.EVENT_READ)

    def _perform(self, client: _Client, line: bytes) -> None:
        client.busy = True
        client.deadline = math.inf
        try:
            result = self._act(request_of(decode(line)), client.peer, partial(self._reply, client))
        except PostmillError as error:
            self._answer(client, refused(error))
        except Exception:
            log.exception("defect in Postmill; a request over the control socket was not carried out")
            self._answer(client, refused(PostmillError("defect in Postmill, see its log")))
        else:
            if result is not None:
                self._answer(client, done(result))

    def _reply(self, client: _Client, result: Message) -> None:
        """Answer a request that took its time."""
        if client in self._clients:
            self._answer(client, done(result))
            self._next(client)

    def _answer(self, client: _Client, answer: Message) -> None:
        client.busy = False
        client.deadline = time.monotonic() + PATIENCE
        client.unsent += encode(answer)
        self._write(client)

    def _write(self, client: _Client) -> None:
        try:
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        except BlockingIOError:
            return
        except OSError:  # it is gone, and so is what it was to be told
            client.unsent = b""
            client.asked.clear()
            client.last = True
