"""Composition root of ``postmill serve``: one milter, its settings and ports, on some sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from postmill.api.milter import Milter
from postmill.api.ports import Load, Ports, Store
from postmill.config import LogSettings
from postmill.config.documents import read_text
from postmill.config.filters import read_own
from postmill.daemon import logs
from postmill.daemon.ports import system_ports
from postmill.errors import ConfigError
from postmill.filtering import Served
from postmill.net import listener
from postmill.net.poller import Loop
from postmill.net.serving import FilterServer
from postmill.net.spool import BodyFactory
from postmill.stores import View, open_backend
from postmill.wire.endpoint import Endpoint

log = logging.getLogger("postmill.filter")
SPOOL_ABOVE = 1 << 20
"""Bytes of a body above which it is kept in a file."""


def prepare(milter: Milter, settings_file: str | os.PathLike[str] | None) -> Served:
    """Return a milter with the settings of a TOML file; raises ConfigErrors."""
    file = "settings" if settings_file is None else os.fspath(settings_file)
    text = "" if settings_file is None else read_text(file)
    settings, prepared = read_own(file, text, milter)
    return Served(milter, settings, prepared)


def serve(
    served: Served,
    endpoints: Sequence[Endpoint],
    *,
    mode: int = 0o660,
    group: str = "",
    patience: float = 30.0,
    store: str = "memory:",
) -> None:
    """Serve until SIGTERM or SIGINT, then let sessions end for ``patience`` seconds; ``store`` is a URL.

    Raises UnavailableError when it cannot listen.
    """
    logs.configure(LogSettings())
    try:
        backend = open_backend(store)
    except ValueError as error:
        raise ConfigError(str(error), key="--store") from error
    ports: Ports = {**system_ports(lambda: Load(0, 0)), Store: partial(View, backend, served.milter.name)}
    served = served.with_ports(ports)
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(served, endpoints, mode, group, patience))


async def _serve(
    served: Served, endpoints: Sequence[Endpoint], mode: int, group: str, patience: float
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    ended: asyncio.Future[None] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: None if ended.done() else ended.set_result(None))
    with ExitStack() as opened:
        sockets = [_listening(opened, endpoint, mode, group) for endpoint in endpoints]
        server = FilterServer(loop, served, sockets, new_body=BodyFactory(SPOOL_ABOVE, ""))
        log.info("%s serves %s", served.milter.name, ", ".join(map(str, endpoints)))
        await ended
        if count := await server.drain(patience):
            log.warning("%d sessions were cut off", count)


def _listening(opened: ExitStack, endpoint: Endpoint, mode: int, group: str) -> socket.socket:
    """Listen, and have the socket taken away in the end."""
    sock = listener.bind(endpoint, mode, group)
    inode = os.stat(endpoint.path).st_ino if endpoint.kind == "unix" else 0
    opened.callback(listener.remove, sock, endpoint, inode)
    return sock
