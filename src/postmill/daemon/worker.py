"""One worker process: serves the shared listening sockets until it is told to finish."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Sequence

from postmill.config.settings import Settings
from postmill.daemon import logs
from postmill.daemon.composition import build_service
from postmill.net.poller import Loop
from postmill.net.service import Service

log = logging.getLogger("postmill.worker")

READY = b"R"


def serve(settings: Settings, listeners: Sequence[socket.socket], ready: int, lifeline: int) -> None:
    """Serve until SIGTERM (finish within the drain time-out) or SIGUSR1 (finish at leisure).

    One byte is written to ``ready`` once MTAs are accepted, and it is closed when they are not any more;
    when ``lifeline`` closes, the parent is gone. A second SIGTERM cuts off the sessions that are left.
    """
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(settings, listeners, ready, lifeline))


def _calm_collector() -> None:
    """Sessions leave no cycles behind, so the collector need not look at every few of them (bench/)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _serve(settings: Settings, listeners: Sequence[socket.socket], ready: int, lifeline: int) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    service = build_service(settings, loop, logs.log_message)
    patience = settings.manager.drain_timeout
    finish: asyncio.Future[float | None] = loop.create_future()

    def stop(patience: float | None) -> None:
        if not finish.done():
            finish.set_result(patience)

    loop.add_signal_handler(signal.SIGTERM, stop, patience)
    loop.add_signal_handler(signal.SIGUSR1, stop, None)
    for ignored in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # sent to the whole group by a terminal; the parent decides
        loop.add_signal_handler(ignored, lambda: None)
    loop.add_reader(lifeline, stop, patience)
    _calm_collector()
    service.start(listeners)
    os.write(ready, READY)
    granted = await finish
    loop.remove_reader(lifeline)
    draining = loop.create_task(service.drain(granted))
    await asyncio.sleep(0)  # the sockets are closed now
    os.close(ready)
    if granted is None:  # the first SIGTERM begins the drain time-out, the second ends it
        loop.add_signal_handler(signal.SIGTERM, _begin_timeout, loop, service, patience)
    else:
        loop.add_signal_handler(signal.SIGTERM, service.hurry)
    if count := await draining:
        log.warning("%d sessions were cut off", count)


def _begin_timeout(loop: asyncio.AbstractEventLoop, service: Service, patience: float) -> None:
    loop.call_later(patience, service.hurry)
    loop.add_signal_handler(signal.SIGTERM, service.hurry)
