"""One configured child in this process: its address, its breaker, its links, and those kept for reuse."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic

from postmill.chain.breaker import Breaker
from postmill.chain.child import ChildSpec
from postmill.chain.steps import Lost
from postmill.net.link import ChildLink
from postmill.net.poller import WRITE, Loop
from postmill.net.pool import Pool
from postmill.net.stream import Stream, new_socket
from postmill.wire.codes import Command, Protocol, Reply
from postmill.wire.endpoint import Endpoint
from postmill.wire.packets import OptNeg
from postmill.wire.tables import NR_FLAG, SINCE_VERSION

Address = str | tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

log = logging.getLogger("postmill.child")

_ASKED_BY_CODE = int(Protocol.SKIP | Protocol.RCPT_REJ | Protocol.HDR_LEADSPC) | sum(
    map(int, NR_FLAG.values())
)
_TRY_AGAIN = 0.02
"""Seconds until another attempt at a unix socket whose backlog is full."""


class ChildService:
    """Opens and counts the links to one child."""

    def __init__(
        self,
        loop: Loop,
        spec: ChildSpec,
        endpoint: Endpoint,
        breaker: Breaker,
        open_links: set[ChildLink],
        *,
        forget: Callable[[str], None],
        max_sessions: int = 0,
        pool: Pool | None = None,
    ) -> None:
        """Serve the child at ``endpoint``; ``open_links`` is where links are entered whose deadlines count.

        ``forget`` is told its name when it may have been started anew, and so may negotiate otherwise.
        """
        self._forget = forget
        self.loop = loop
        self.poller = loop.poller
        self.spec = spec
        self.endpoint = endpoint
        self.breaker = breaker
        self._open_links = open_links
        self.now: Callable[[], float] = monotonic
        self.pool = pool
        self._address: tuple[int, Address] | None = None
        self._max_sessions = max_sessions
        self._links: set[ChildLink] = set()
        self._queued: deque[ChildLink] = deque()
        self._probe: ChildLink | None = None
        """Link of the session that tries a child which was left alone."""
        self.last_failure: tuple[float, Lost] | None = None
        """When it failed last, and how."""

    # -- opening --------------------------------------------------------------------------------------

    def open(self) -> ChildLink:
        """Return a link: a kept one, or one that is being connected (or that fails at its first question)."""
        kept = self.pool.take() if self.pool is not None else None
        if kept is not None:
            self._links.add(kept)
            return kept
        link = self.new_link()
        if not self.breaker.allows(self.now()):
            link.failed = Lost("breaker", "left alone after repeated failures")
            return link
        if self.breaker.probing:
            self._probe = link
        self._links.add(link)
        self._open_links.add(link)
        if self._max_sessions and len(self._links) > self._max_sessions:
            link.deadline = self.now() + self.spec.connect_timeout
            self._queued.append(link)
        else:
            self.connect(link)
        return link

    def new_link(self) -> ChildLink:
        """Return a link that is not connected yet."""
        return ChildLink(self)

    def connect(self, link: ChildLink) -> None:
        """Connect a link; it is told when it stands, or that it failed."""
        link.deadline = self.now() + self.spec.connect_timeout
        self._connect(link)

    def _connect(self, link: ChildLink) -> None:
        try:
            family, address = self._address or self._resolve()
            self._attempt(link, new_socket(family), address)
        except OSError as error:
            self._refused(link, error)

    def _resolve(self) -> tuple[int, Address]:
        """Find out where to connect to; remembered until a connection fails."""
        endpoint = self.endpoint
        if endpoint.kind == "unix":
            self._address = socket.AF_UNIX, endpoint.path
        else:
            host = endpoint.host or ("::1" if endpoint.kind == "inet6" else "127.0.0.1")
            family = socket.AF_INET6 if endpoint.kind == "inet6" else socket.AF_UNSPEC
            found = socket.getaddrinfo(host, endpoint.port, family, socket.SOCK_STREAM)[0]
            self._address = found[0], found[4]
        return self._address

    def _attempt(self, link: ChildLink, sock: socket.socket, address: Address) -> None:
        """Connect, or wait until it can be tried again."""
        if link.failed is not None or link not in self._links:  # given up meanwhile
            sock.close()
            return
        try:
            sock.connect(address)
        except BlockingIOError:
            if self.endpoint.kind == "unix":  # the child's backlog is full: there is nothing to wait on
                self.loop.call_later(_TRY_AGAIN, self._attempt, link, sock, address)
            elif sock.connect_ex(address) in (0, errno.EISCONN):  # on loopback it stands already
                link.connected(self._stream(link, sock))
            else:
                self.poller.watch(sock.fileno(), WRITE, partial(self._established, link, sock))
        except OSError as error:
            sock.close()
            self._refused(link, error)
        else:
            link.connected(self._stream(link, sock))

    def _established(self, link: ChildLink, sock: socket.socket, _events: int) -> None:
        self.poller.unwatch(sock.fileno())
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if link.failed is not None or link not in self._links:
            sock.close()
        elif error:
            sock.close()
            self._refused(link, OSError(error, os.strerror(error)))
        else:
            link.connected(self._stream(link, sock))

    def _stream(self, link: ChildLink, sock: socket.socket) -> Stream:
        return Stream(self.poller, sock, link.data, link.ended)

    def _refused(self, link: ChildLink, error: OSError) -> None:
        self._address = None
        link.fail("connect", f"cannot connect to {self.endpoint}: {error.strerror or error}")

    # -- what links report ----------------------------------------------------------------------------

    def answered(self) -> None:
        """A conversation came to its end although there was trouble before."""
        if self.breaker.is_open:
            log.warning("%s: answers again", self.spec.name)
        self.breaker.succeeded()

    def gone(self) -> None:
        """A link was refused or closed by the child."""
        self._forget(self.spec.name)

    def failed(self, lost: Lost | None) -> None:
        """A link failed while something was asked of it."""
        if lost is None or lost.kind in ("config", "breaker", "busy", "spool"):
            return
        was_open = self.breaker.is_open
        now = self.now()
        self.last_failure = now, lost
        self.breaker.failed(now)
        if self.breaker.is_open and not was_open:
            log.error("%s: left alone for now after repeated failures: %s", self.spec.name, lost.text)

    def closed(self, link: ChildLink) -> None:
        """A link is not in use any more."""
        if link is self._probe:  # it may have been called off before the child said anything
            self._probe, self.breaker.probing = None, False
        self._links.discard(link)
        self._open_links.discard(link)
        if link in self._queued:
            self._queued.remove(link)
        while self._queued and len(self._links) - len(self._queued) < self._max_sessions:
            self._connect(self._queued.popleft())

    def keep(self, link: ChildLink) -> bool:
        """Take a link that ended its session well into the pool, if there is one and it has room."""
        pool, answer = self.pool, link.negotiated and link.negotiated.answer
        if pool is None or not answer or self._queued or not _forgets_nothing(answer):
            return False
        if pool.wants_trial:
            self._try_quit_nc(pool, link.greeting)
        if link.last == Reply.CONTINUE:
            kept = pool.put(link)
        else:
            kept = _ignores_unknown(answer) and pool.put_after_unknown(link, self.spec.command_timeout)
        if kept:
            self._links.discard(link)
        return kept

    def _try_quit_nc(self, pool: Pool, greeting: bytes) -> None:
        if self._max_sessions and len(self._links) >= self._max_sessions:
            return
        trial = ChildLink(self)
        trial.on_trial = True
        self._links.add(trial)
        self._open_links.add(trial)
        self.connect(trial)
        pool.begin_trial(trial, greeting, self.spec.command_timeout)

    def distrust(self, lost: Lost) -> None:
        """A kept link did not serve another session."""
        if self.pool is not None:
            self.pool.distrust(lost.text)

    @property
    def links(self) -> int:
        """How many links are in use, those included that wait for their turn."""
        return len(self._links)

    @property
    def queued(self) -> int:
        """How many links wait until the child has fewer sessions than its bound."""
        return len(self._queued)


def _forgets_nothing(answer: OptNeg) -> bool:
    """Tell whether a child can do without the negotiation in later sessions on the same link.

    What libmilter answers by itself holds for all. A filter whose own code negotiates, which shows in what
    it asks for, may forget at QUIT_NC what it agreed to: opendkim forgets HDR_LEADSPC.
    """
    by_itself = answer.symlists or answer.protocol & _ASKED_BY_CODE
    return not by_itself and answer.version >= SINCE_VERSION[Command.QUIT_NC]


def _ignores_unknown(answer: OptNeg) -> bool:
    """Tell whether UNKNOWN is answered without the filter's own code ever seeing it (protocol §6.8)."""
    return bool(answer.protocol & Protocol.NOUNKNOWN)
