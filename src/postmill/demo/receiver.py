"""The embedded SMTP receiver: aiosmtpd towards the client, the fake MTA's conversation towards the filter.

Here belongs the listener with what all clients share: queue ids, mailboxes, the fates of messages. One client
is `visit`'s.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Self

from aiosmtpd.smtp import SMTP

from postmill.demo.fate import Fate
from postmill.demo.maildir import Post
from postmill.demo.ports import PortTakenError
from postmill.demo.smtp import Server
from postmill.demo.visit import Visit
from postmill.record import MessageRecord
from postmill.wire.endpoint import Endpoint


class Receiver:
    """Listens on 127.0.0.1, asks the filter at `milter`, delivers to `post`. An async context manager.

    `port` 0 takes a free one; PortTakenError when it is taken.
    """

    what = "an embedded SMTP receiver (aiosmtpd)"

    def __init__(self, milter: Endpoint, post: Post, port: int) -> None:
        self.milter = milter
        self.post = post
        self.port = port
        self._fates: dict[str, asyncio.Future[Fate]] = {}
        self._ids = itertools.count(int(time.time() * 1000) & 0xFFFFFFFF)
        self._leaving: set[asyncio.Task[None]] = set()
        self._servers: set[Server] = set()
        self._listener: asyncio.Server | None = None

    def queue_id(self) -> bytes:
        """A new queue id."""
        return b"%09X" % next(self._ids)

    async def fate(self, record: MessageRecord) -> Fate:
        """Wait until a message that came to its final dot is dealt with."""
        return await self._fate(record.queue_id)

    def settled(self, fate: Fate) -> None:
        """A message came to its final dot and was dealt with."""
        self._fate(fate.queue_id).set_result(fate)

    def _fate(self, queue_id: str) -> asyncio.Future[Fate]:
        return self._fates.setdefault(queue_id, asyncio.get_running_loop().create_future())

    def _serve(self) -> SMTP:
        return Server(Visit(self), self._opened, self._closed)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._serve, "127.0.0.1", self.port)
        except OSError as error:
            raise PortTakenError(f"cannot listen on 127.0.0.1:{self.port}: {error.strerror}") from error
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._listener is not None
        self._listener.close()
        while self._servers or self._leaving:
            for server in self._servers:
                server.hang_up()
            await asyncio.sleep(0.005)

    def _opened(self, server: Server) -> None:
        """A client is here."""
        self._servers.add(server)

    def _closed(self, server: Server) -> None:
        """A client is gone; its conversation with the filter is seen to its end."""
        self._servers.discard(server)
        task = asyncio.get_running_loop().create_task(server.visit.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
