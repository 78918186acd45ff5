"""A scripted child on a real socket, in its own thread: for tests of anything that speaks to a filter, and
for `postmill milter`.

Here belong the listener and the life of the thread; `link` serves one connection, `script` decides, `seen`
keeps the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

import uvloop

from postmill.testing.link import Link
from postmill.testing.script import Script
from postmill.testing.seen import Pairs, Recording, SeenConnection, SeenEvent, SeenPacket, parse_macros
from postmill.wire.endpoint import Endpoint, parse_endpoint

BACKLOG = 4096


class ScriptedChild(Recording):
    """A filter that follows a script, on a unix, inet or inet6 endpoint, with any number of connections.

    Without `endpoint` it makes a unix socket in a temporary directory of its own (searchable and writable
    for all, so that daemons under other users reach it). ``inet:0@127.0.0.1`` takes a free port; `endpoint`
    then names it. Use as a context manager. The script may be replaced between sessions by assigning
    `script`. Assign the `on_…` hooks to look on (called in the child's thread).
    """

    def __init__(
        self,
        script: Script | None = None,
        endpoint: str | Endpoint | None = None,
        *,
        mode: int = 0o666,
        group: str = "",
    ) -> None:
        super().__init__()
        self.script = script or Script()
        self._directory: str | None = None
        if endpoint is None:
            self._directory = tempfile.mkdtemp(prefix="pm-child-")
            Path(self._directory).chmod(0o755)
            endpoint = f"unix:{self._directory}/socket"
        self.endpoint = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        self.mode = mode
        self.group = group
        self.on_packet: Callable[[SeenPacket, SeenEvent | None], None] | None = None
        self.on_sent: Callable[[int, bytes], None] | None = None
        self.on_open: Callable[[SeenConnection], None] | None = None
        self.on_close: Callable[[SeenConnection], None] | None = None
        self.recording = True
        self._numbers = 0
        self._links: set[Link] = set()
        self._thread: threading.Thread | None = None
        self._loop = cast(asyncio.AbstractEventLoop, None)
        self._stopping = cast(asyncio.Event, None)

    def start(self) -> Self:
        """Listen and serve; the same endpoint (and port) at every start."""
        listener = self._listen()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listener, ready), name=f"child {self.endpoint}", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Stop listening, drop every connection, remove the socket file. May be started again."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def drop_connections(self) -> None:
        """Drop every open connection and go on listening."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._drop)

    def close(self) -> None:
        """Stop for good and remove the temporary directory, if there is one."""
        self.stop()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _listen(self) -> socket.socket:
        families = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
        listener = socket.socket(families[self.endpoint.kind])
        try:
            self._bind(listener)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def _bind(self, listener: socket.socket) -> None:
        if self.endpoint.kind != "unix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.endpoint.host, self.endpoint.port))
            port = listener.getsockname()[1]
            self.endpoint = Endpoint(self.endpoint.kind, "", self.endpoint.host, port)
            return
        path = Path(self.endpoint.path)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        try:
            if self.group:
                shutil.chown(path, group=self.group)
            path.chmod(self.mode)
        except BaseException:
            path.unlink()
            raise

    def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(listener, ready))

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        if self.endpoint.kind == "unix":
            server = await self._loop.create_unix_server(self._accept, sock=listener, backlog=BACKLOG)
        else:
            server = await self._loop.create_server(self._accept, sock=listener, backlog=BACKLOG)
        ready.set()
        await self._stopping.wait()
        server.close()
        self._drop()
        await server.wait_closed()
        while self._links:  # aborted links report their end in the next turns of the loop
            self._drop()
            await asyncio.sleep(0)
        if self.endpoint.kind == "unix":
            with contextlib.suppress(OSError):  # gone already, or privileges were given up
                os.unlink(self.endpoint.path)

    def _accept(self) -> Link:
        self._numbers += 1
        return Link(self, self._numbers)

    def _drop(self) -> None:
        for link in list(self._links):
            link.drop()

    def link_opened(self, link: Link) -> None:
        """Record a new link (called by the link)."""
        self._links.add(link)
        self.add_connection(link.record)
        if self.on_open is not None:
            self.on_open(link.record)

    def link_closed(self, link: Link) -> None:
        """Record that the link is gone (called by the link)."""
        self._links.discard(link)
        self.end_connection(link.record, time.monotonic())
        if self.on_close is not None:
            self.on_close(link.record)

    def packet_seen(self, packet: SeenPacket, event: SeenEvent | None) -> None:
        """Record a packet (called by the link)."""
        if self.recording:
            self.add_packet(packet, event)
        if self.on_packet is not None:
            self.on_packet(packet, event)

    def bytes_sent(self, connection: int, data: bytes) -> None:
        """Note bytes that were written (called by the link)."""
        if self.on_sent is not None:
            self.on_sent(connection, data)


__all__ = ["Pairs", "Recording", "ScriptedChild", "SeenConnection", "SeenEvent", "SeenPacket", "parse_macros"]
