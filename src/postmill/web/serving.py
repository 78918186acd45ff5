"""The dashboard behind its sockets, with uvicorn: TLS, how many may connect, how long one may be silent."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from postmill.config import Loaded
from postmill.config.observing import WebSettings
from postmill.daemon import logs
from postmill.errors import UnavailableError
from postmill.net import listener
from postmill.web.app import build_app
from postmill.web.guard import guarded
from postmill.wire.endpoint import Endpoint

log = logging.getLogger("postmill.web")

MOST_CONNECTIONS = 256
_SILENT_FOR = 10.0
"""Seconds twice over in which a connection may have no request under way."""
_STDIN = 0


def serve(loaded: Loaded, *, beside_daemon: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; ``beside_daemon``: or until the standard input ends, the daemon's pipe.

    Raises UnavailableError when it cannot listen, or the certificate cannot be used.
    """
    settings = loaded.settings.web
    logs.configure(loaded.settings.log)
    _log_as_we_do()
    config = uvicorn.Config(
        build_app(loaded),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whom to believe is known to the guard
        server_header=False,
        timeout_keep_alive=15,
        ssl_certfile=settings.certificate or None,
        ssl_keyfile=settings.key_file or None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise UnavailableError(f"web.certificate {settings.certificate} cannot be used: {error}") from error
    sockets = _listen(settings)
    try:
        scheme = "https" if settings.certificate else "http"
        where = (_address(*one, scheme) for one in zip(settings.listen, sockets, strict=True))
        log.info("dashboard: %s", ", ".join(where))
        asyncio.run(_serve(_Server(config), [sock for sock, _ in sockets], beside_daemon))
    finally:
        for endpoint, (sock, inode) in zip(settings.listen, sockets, strict=True):
            listener.remove(sock, endpoint, inode)


def _listen(settings: WebSettings) -> list[tuple[socket.socket, int]]:
    """Open all sockets, each with the inode of its path."""
    opened: list[tuple[socket.socket, int]] = []
    try:
        for endpoint in settings.listen:
            sock = listener.bind(endpoint, settings.socket_mode, settings.socket_group, "web")
            opened.append((sock, os.lstat(endpoint.path).st_ino if endpoint.kind == "unix" else 0))
    except BaseException:
        for endpoint, (sock, inode) in zip(settings.listen, opened, strict=False):
            listener.remove(sock, endpoint, inode)
        raise
    return opened


def _address(configured: Endpoint, one: tuple[socket.socket, int], scheme: str) -> str:
    if configured.kind == "unix":
        return str(configured)
    endpoint = listener.endpoint_of(one[0])
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{scheme}://{host}:{endpoint.port}/"


class _Server(uvicorn.Server):
    """Leaves signals alone: its own handlers would end the process before its sockets are taken away."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield

    def install_signal_handlers(self) -> None:
        """See uvicorn before 0.29."""

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn by itself looks ten times a second, whether anybody is there or not."""
        ticks = 0
        while not await self.on_tick(ticks):  # at each tenth it renews the header Date
            ticks += 10
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1.0)

    def end(self) -> None:
        """Finish what is under way; at the second time, leave it."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._ending.set()


async def _serve(server: _Server, sockets: Sequence[socket.socket], beside_daemon: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)

    def read() -> None:
        if not os.read(_STDIN, 512):
            loop.remove_reader(_STDIN)
            server.end()

    if beside_daemon:
        loop.add_reader(_STDIN, read)
    await server.serve(sockets=list(sockets))


def _log_as_we_do() -> None:
    ours, theirs = logging.getLogger("postmill"), logging.getLogger("uvicorn")
    theirs.handlers = ours.handlers
    theirs.propagate = False
    theirs.setLevel(logging.WARNING)


class _Protocol(H11Protocol):
    """One connection: one of a limited number, and never silent for long."""

    _was_silent = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._watch()

    def _watch(self) -> None:
        """Close it when it was silent twice in a row; a request whose head does not end is silence."""
        if self.transport.is_closing():
            return
        is_silent = self.cycle is None or self.cycle.response_complete
        if is_silent and self._was_silent:
            self.transport.abort()
            return
        self._was_silent = is_silent
        self.loop.call_later(_SILENT_FOR, self._watch)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, with the headers that all answers have."""
        text = msg.encode("ascii", "replace")
        headers = guarded(
            [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))],
            encrypted=self.scheme == "https",
        )
        lines = [b"HTTP/1.1 400 Bad Request", b"connection: close", *(b": ".join(pair) for pair in headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + text)
        self.transport.close()
