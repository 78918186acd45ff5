"""One milter that serves MTAs by itself, without a manager: ``postmill serve``."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from postmill.filtering import FilterSession, Served
from postmill.mail.body import Body
from postmill.net.filter_stream import FilterStream
from postmill.net.listener import accept
from postmill.net.poller import ACCEPT, Loop
from postmill.net.stream import Stream
from postmill.wire.codes import Reply
from postmill.wire.framing import frame

log = logging.getLogger("postmill.filter")

_PROGRESS = frame(Reply.PROGRESS)
_TICK = 1.0
_LISTEN_AGAIN = 0.5


class MtaLink:
    """One MTA that is being served."""

    def __init__(self, server: FilterServer, sock: socket.socket) -> None:
        """Serve the MTA at the other end of ``sock``."""
        self._server = server
        self._session = FilterSession(server.served, server.new_body)
        self._stream = Stream(server.loop.poller, sock, self._data, self._ended)
        name = server.served.milter.name
        self._filter = FilterStream(server.loop, name, self._session, self._stream.write, self._failed)
        self.last_sign = monotonic()
        """When the MTA last heard of us, or we of it."""

    def _data(self, data: bytes) -> None:
        self.last_sign = monotonic()
        self._filter.write(data)
        if self._session.over:
            self.close()

    def _ended(self, _reason: str) -> None:
        self.close()

    def _failed(self, words: str) -> None:
        """Nobody can say what is to become of the mail: the MTA does what it was told for that case."""
        log.error("%s: %s; the connection is closed", self._server.served.milter.name, words)
        self.close()

    def sign_of_life(self, now: float, interval: float) -> None:
        """Tell an MTA that waits for the end of a message that we are at it (protocol §7.4)."""
        if self._session.at_end and now - self.last_sign >= interval:
            self.last_sign = now
            self._stream.write(_PROGRESS)

    def close(self) -> None:
        """End the connection."""
        self._filter.close()
        self._stream.close()
        self._server.closed(self)


class FilterServer:
    """Accepts MTAs on some sockets and lets one milter judge their mail."""

    def __init__(
        self,
        loop: Loop,
        served: Served,
        listeners: Sequence[socket.socket],
        *,
        new_body: Callable[[], Body] = Body,
        progress_interval: float = 8.0,
    ) -> None:
        """Begin to accept."""
        self.loop = loop
        self.served = served
        self.new_body = new_body
        self._interval = progress_interval
        self._listeners = listeners
        self._links: set[MtaLink] = set()
        self._drained: asyncio.Future[None] | None = None
        self._accepting = False
        self._listen(True)
        self._timer = loop.call_later(_TICK, self._tick)

    def _listen(self, on: bool) -> None:
        if on == self._accepting or (on and self._drained is not None):
            return
        self._accepting = on
        for sock in self._listeners:
            if on:
                self.loop.poller.watch(sock.fileno(), ACCEPT, partial(self._accept, sock))
            else:
                self.loop.poller.unwatch(sock.fileno())

    def _accept(self, listener: socket.socket, _events: int = 0) -> None:
        try:
            sock = accept(listener)
        except OSError as error:
            log.error("cannot accept a connection: %s", error.strerror)
            self._listen(False)
            self.loop.call_later(_LISTEN_AGAIN, self._listen, True)
            return
        if sock is None:
            return
        self._links.add(MtaLink(self, sock))

    def _tick(self) -> None:
        now = monotonic()
        for sock in self._listeners:
            if self._accepting:  # several processes may share them: see ``poller``
                self._accept(sock)
        for link in self._links:
            link.sign_of_life(now, self._interval)
        self._timer = self.loop.call_later(_TICK, self._tick)

    def closed(self, link: MtaLink) -> None:
        """A connection is over."""
        self._links.discard(link)
        if self._drained is not None and not self._links and not self._drained.done():
            self._drained.set_result(None)

    async def drain(self, patience: float) -> int:
        """Accept nobody any more and let sessions end, for ``patience`` seconds.

        Returns how many had to be cut off.
        """
        self._listen(False)
        for sock in self._listeners:
            sock.close()
        self._drained = self.loop.create_future()
        if not self._links:
            self._drained.set_result(None)
        await asyncio.wait([self._drained], timeout=patience)
        rest = list(self._links)
        for link in rest:
            link.close()
        self._timer.cancel()
        return len(rest)
