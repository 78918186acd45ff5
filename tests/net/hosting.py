"""Many Postmill services in one other process, each with its own configuration file and socket.

What is hosted is all of ``net`` and ``chain`` as ``daemon.composition`` builds it from a file; only the
parent and its workers are left out, so that a hundred configurations cost one process. Every record of a
message becomes a line of JSON in ``records``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from postmill.api import Load
from postmill.daemon import logs
from postmill.daemon.composition import build_service
from postmill.daemon.configuration import load_configuration
from postmill.daemon.ports import system_ports
from postmill.net import listener
from postmill.net.poller import Loop
from postmill.record import MessageRecord
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Script
from tests.interop.postfix import wait_until
from tests.stack.manager import table

ROOT = Path(__file__).parents[2]
NO_BREAKER = {"failures": 1000000}
SHORT = {"connect": "1s", "command": "1.2s", "content": "1.2s"}


def configuration(
    listen: str,
    milters: Mapping[str, Mapping[str, Any]],
    filters: Sequence[Mapping[str, Any]] = (),
    store: str = "memory:",
    **manager: Any,
) -> str:
    """Return a configuration file: `milters` in order, `filters`, `manager` beside the socket."""
    settings = {"listen": [listen], "socket_mode": "0666", "workers": 1, **manager}
    tables = [table("manager", settings), table("store", {"url": store})]
    tables += [table(f"milters.{name}", values) for name, values in milters.items()]
    return "\n".join([*tables, *(table("[filter]", values) for values in filters)])


class Host:
    """A process with one service for each configuration that was added before ``start``."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-host-")))
        self.directory.chmod(0o755)
        self._files: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None

    def add(
        self,
        milters: Mapping[str, Mapping[str, Any]],
        filters: Sequence[Mapping[str, Any]] = (),
        store: str = "memory:",
        **manager: Any,
    ) -> str:
        """Add a service; return its endpoint."""
        number = len(self._files)
        endpoint = f"unix:{self.directory}/{number}.sock"
        file = self.directory / f"{number}.toml"
        file.write_text(configuration(endpoint, milters, filters, store, **manager))
        self._files.append(file)
        return endpoint

    def start(self) -> Self:
        """Start them all; return when all listen."""
        log = self._stack.enter_context((self.directory / "log").open("wb"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.net.hosting", str(self.directory), *map(str, self._files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the host did not start: {self.log}")
        return self

    def __enter__(self) -> Self:
        return self.start() if self._process is None else self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; sessions still open are cut off."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(10)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
                self._process = None
        self._stack.close()

    def cycles(self) -> list[str]:
        """Return what only the collector found since the last call: the names of Postmill's own classes."""
        found = self.directory / "cycles"
        found.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(found.exists, "the host to look for cycles")
        return found.read_text().split()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def open_files(self) -> int:
        """How many file descriptors the process has open now."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def log(self) -> str:
        """All log lines so far."""
        return (self.directory / "log").read_text()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of messages so far."""
        text = (self.directory / "records").read_text()
        return [json.loads(line) for line in text.splitlines()]


@dataclass
class ServedChain:
    """One service before scripted children."""

    host: Host
    endpoint: str
    children: tuple[ScriptedChild, ...]

    def settled(self) -> tuple[ScriptedChild, ...]:
        """The children, after every connection to them has ended."""
        for child in self.children:
            child.wait_closed()
        return self.children


@contextmanager
def chain(
    *scripts: Script, settings: Sequence[Mapping[str, Any]] = (), **manager: Any
) -> Generator[ServedChain, None, None]:
    """Serve children ``child1``, ``child2`` …; ``settings`` are their tables beside the socket, in order."""
    with ExitStack() as stack:
        children = tuple(stack.enter_context(ScriptedChild(script)) for script in scripts)
        host = Host()
        milters = {
            f"child{n}": {"socket": str(child.endpoint), **(settings[n - 1] if n <= len(settings) else {})}
            for n, child in enumerate(children, 1)
        }
        endpoint = host.add(milters, **manager)
        stack.enter_context(host)
        yield ServedChain(host, endpoint, children)
        assert "defect in Postmill" not in host.log


def _tell_cycles(directory: Path) -> None:
    """Write down what was unreachable and not gone; from now on keep such things to be looked at."""
    gc.collect()
    own = {type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("postmill.")}
    gc.garbage.clear()
    gc.set_debug(gc.DEBUG_SAVEALL)
    part = directory / "cycles.part"
    part.write_text(" ".join(sorted(own)))
    part.rename(directory / "cycles")


async def _serve(directory: Path, files: Sequence[str]) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    ended = asyncio.Event()
    services = []
    with (directory / "records").open("w", buffering=1) as records:

        def sink(record: MessageRecord) -> None:
            records.write(json.dumps(record.as_dict()) + "\n")
            logs.log_message(record)

        for number, file in enumerate(files):
            settings = load_configuration(file).settings
            if not number:
                logs.configure(settings.log)
            service = build_service(settings, loop, sink, system_ports(lambda: Load(0, 0)))
            manager = settings.manager
            service.start([listener.bind(manager.listen[0], manager.socket_mode, manager.socket_group)])
            services.append(service)
        loop.add_reader(0, ended.set)
        loop.add_signal_handler(signal.SIGUSR1, _tell_cycles, directory)
        print("ready", flush=True)
        await ended.wait()
        for service in services:
            await service.drain(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), sys.argv[2:]))
