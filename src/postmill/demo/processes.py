"""The processes of the demo: the filters and Postmill, each started, waited for and ended by its id.

They get a session of their own, so that Ctrl-C in the terminal reaches only the demo, which then ends them in
order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from postmill.demo.filters import FILTERS
from postmill.errors import UnavailableError
from postmill.record import Answer, ChildRecord, MessageRecord, Recipient

START_WITHIN = 30.0
END_WITHIN = 10.0
BACK_AFTER = 3.0
"""Seconds after which a filter that was ended by somebody is started again."""

_LONGEST_LINE = 1 << 24


@asynccontextmanager
async def running(*command: str, **pipes: Any) -> AsyncIterator[Process]:
    """Run a command of this Python's; end it on the way out, by force if need be."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", *command, start_new_session=True, limit=_LONGEST_LINE, **pipes
    )
    try:
        yield process
    finally:
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_WITHIN)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process is known to be gone.

    Not by the process's own methods: those would collect its exit status behind the event loop's back.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


@asynccontextmanager
async def demo_filter(name: str, socket: Path) -> AsyncIterator[Process]:
    """One of the demo's filters, listening when this is entered."""
    async with running("postmill.demo.serving", name, str(socket), stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN)
        if line != b"ready\n":
            raise UnavailableError(f"the demo filter {name} did not start")
        yield process


@asynccontextmanager
async def kept_filters(sockets: Path, say: Callable[[str], None]) -> AsyncIterator[dict[str, int]]:
    """All demo filters, each started again when it ends; gives the process ids of the first ones by name.

    `say` is told when one goes and when it is back.
    """
    loop = asyncio.get_running_loop()
    started: dict[str, asyncio.Future[int]] = {name: loop.create_future() for name in FILTERS}
    keeping = [
        loop.create_task(_keep(name, sockets / f"{name}.sock", say, future))
        for name, future in started.items()
    ]
    try:
        all_started: asyncio.Future[list[int]] = asyncio.ensure_future(asyncio.gather(*started.values()))
        either: list[asyncio.Future[Any]] = [*keeping, all_started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in keeping:
            if task.done():
                await task  # it failed
        yield dict(zip(started, await all_started, strict=True))
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def _keep(
    name: str, socket: Path, say: Callable[[str], None], started: asyncio.Future[int]
) -> NoReturn:
    while True:
        async with demo_filter(name, socket) as process:
            if started.done():
                say(f"\n{name} is back, process {process.pid}.")
            else:
                started.set_result(process.pid)
            await process.wait()
        say(f"\n{name} has ended. It comes back in {BACK_AFTER:.0f} s; until then its on_error decides.")
        await asyncio.sleep(BACK_AFTER)


class Postmill:
    """`postmill run`, and the records of messages that it logs; made by `postmill`."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.records: asyncio.Queue[MessageRecord] = asyncio.Queue()
        self._log = log
        self._serving = asyncio.Event()
        self._over = asyncio.Event()

    async def read(self) -> None:
        """Read the log until Postmill ends, keeping a copy in the log file."""
        assert self.process.stderr is not None
        with self._log.open("ab") as copy:
            async for line in self.process.stderr:
                copy.write(line)
                copy.flush()
                self._take(line)
        self._over.set()
        self._serving.set()

    def _take(self, line: bytes) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        if str(entry.get("text", "")).startswith("serving"):
            self._serving.set()
        if "message" in entry:
            self.records.put_nowait(_record(entry["message"]))

    async def started(self) -> None:
        """Wait until it serves; UnavailableError with its log when it ends instead."""
        await asyncio.wait_for(self._serving.wait(), START_WITHIN)
        if self._over.is_set():
            raise UnavailableError(f"Postmill did not start:\n{self._log.read_text().strip()}")

    async def ended(self) -> None:
        """Wait until it has ended."""
        await self._over.wait()


@asynccontextmanager
async def postmill(config: Path, log: Path) -> AsyncIterator[Postmill]:
    """Postmill on a configuration that makes it log JSON; serving when this is entered."""
    reading: asyncio.Task[None] | None = None
    try:
        async with running("postmill", "run", "-c", str(config), stdin=DEVNULL, stderr=PIPE) as process:
            daemon = Postmill(process, log)
            reading = asyncio.get_running_loop().create_task(daemon.read())
            await daemon.started()
            yield daemon
    finally:
        if reading is not None:
            await asyncio.wait([reading], timeout=END_WITHIN)


def _record(data: dict[str, Any]) -> MessageRecord:
    """The record as it was before it became JSON."""
    plain = {field.name for field in fields(MessageRecord)} - {"children", "recipients"}
    record = MessageRecord(**{key: value for key, value in data.items() if key in plain})
    record.recipients = [Recipient(**_known(Recipient, each)) for each in data["recipients"]]
    for child in data["children"]:
        answers = [Answer(**each) for each in child["answers"]]
        record.children[child["name"]] = ChildRecord(
            child["name"], answers, child["edits"], child["evaluated"]
        )
    return record


def _known(kind: Any, data: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {key: value for key, value in data.items() if key in names}
