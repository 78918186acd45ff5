"""The processes of the demo, each started, waited for and ended by its id.

They get a session of their own, so that Ctrl-C in the terminal reaches only the demo, which then ends them in
order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from postmill.errors import UnavailableError
from postmill.record import MessageRecord

START_WITHIN = 30.0
END_WITHIN = 10.0

_LONGEST_LINE = 1 << 24
_PYTHON = (sys.executable, "-P", "-m")


@asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[Process]:
    """Run a command; end it on the way out, by force if need be, and then what is left of its session.

    UnavailableError when it cannot be run.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *_tied(command), start_new_session=True, limit=_LONGEST_LINE, **options
        )
    except OSError as error:
        raise UnavailableError(f"cannot start {command[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_WITHIN)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _tied(command: Sequence[str]) -> Sequence[str]:
    """Have it end with the demo even if that is killed, where there is setpriv(1)."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", *command) if setpriv else command


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process is known to be gone.

    Not by the process's own methods: those would collect its exit status behind the event loop's back.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


@asynccontextmanager
async def demo_filter(name: str, socket: Path) -> AsyncIterator[Process]:
    """A small milter of the demo's own, listening when this is entered; else UnavailableError."""
    async with running(
        *_PYTHON, "postmill.demo.serving", name, str(socket), stdin=PIPE, stdout=PIPE
    ) as process:
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN)
        if line != b"ready\n":
            raise UnavailableError(f"the demo's small milter {name} did not start")
        yield process


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
            self.records.put_nowait(MessageRecord.from_dict(entry["message"]))

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
        async with running(
            *_PYTHON, "postmill", "run", "-c", str(config), stdin=DEVNULL, stderr=PIPE
        ) as process:
            daemon = Postmill(process, log)
            reading = asyncio.get_running_loop().create_task(daemon.read())
            await daemon.started()
            yield daemon
    finally:
        if reading is not None:
            await asyncio.wait([reading], timeout=END_WITHIN)
