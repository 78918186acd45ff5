"""A whole Postmill as the system runs it: `postmill run` in a process of its own, with parent and workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from postmill.daemon.asking import ask
from postmill.wire.endpoint import parse_endpoint
from tests.interop.postfix import wait_until
from tests.stack.manager import table

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-m", "postmill", "run")
SERVING = "serving:"


def environment(**more: str) -> dict[str, str]:
    """The environment of a Postmill on this tree's sources, without what a service manager may have set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LISTEN_", "NOTIFY_"))}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **more}


class Daemon:
    """One daemon with a directory of its own, searchable for every user; a context manager.

    ``milters`` and ``manager`` may be changed, then written with ``write`` and taken with ``reload``.
    """

    def __init__(self, milters: Mapping[str, Mapping[str, Any]] | None = None, **manager: Any) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pm-daemon-"))
        self.directory.chmod(0o755)
        self.socket = self.directory / "mta.sock"
        self.config = self.directory / "postmill.toml"
        self.log_file = self.directory / "log"
        self.milters = dict(milters or {})
        self.manager = {
            "listen": [self.endpoint],
            "workers": 1,
            "pid_file": str(self.directory / "pid"),
            **manager,
        }
        self.log_settings: dict[str, str] = {}
        self.control: dict[str, Any] = {"socket": f"unix:{self.directory}/control.sock"}
        self.tables: dict[str, Mapping[str, Any]] = {}
        """Other tables of the configuration."""
        self.filters: Sequence[Mapping[str, Any]] = ()
        self.arguments: Sequence[str] = ()
        self.prefix: Sequence[str] = ()
        self.program: Sequence[str] = RUN
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The socket it listens on unless told otherwise."""
        return f"unix:{self.socket}"

    @property
    def log(self) -> str:
        """All its log lines so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        """Its parent process."""
        assert self.process is not None
        return self.process.pid

    @property
    def workers(self) -> list[int]:
        """Its worker processes."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def write(self) -> None:
        """Write the configuration."""
        tables = [table("manager", self.manager), table("log", self.log_settings)]
        tables.append(table("control", self.control))
        tables += [table(name, settings) for name, settings in self.tables.items()]
        tables += [table(f"milters.{name}", settings) for name, settings in self.milters.items()]
        tables += [table("[filter]", settings) for settings in self.filters]
        self.config.write_text("\n".join(tables))

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it and return at once."""
        self.write()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.program, "-c", str(self.config), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(**self.environment),
                cwd="/",
            )
        return self.process

    def start(self) -> Self:
        """Start it; return when it serves; RuntimeError when it ends instead."""
        lines = self.log.count(SERVING)
        process = self.spawn()

        def serving() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode}: {self.log}")
            return self.log.count(SERVING) > lines

        wait_until(serving, "the daemon", 30)
        return self

    def signal(self, number: signal.Signals) -> None:
        """Signal the parent."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end; its exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> int:
        """End it with SIGTERM, twice to be quick; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()

    def reload(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Write the configuration and run `postmill reload`."""
        self.write()
        return self.run("reload", *arguments)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that talks to it."""
        return subprocess.run(
            [sys.executable, "-m", "postmill", command, "-c", str(self.config), *arguments],
            env=environment(NO_COLOR="1"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Ask over the control socket; its result."""
        return ask(parse_endpoint(self.control["socket"]), command, values)

    def milter(self, name: str) -> dict[str, Any]:
        """What its status says of a milter."""
        return next(milter for milter in self.ask("status")["milters"] if milter["name"] == name)

    def wait_log(self, text: str, count: int = 1) -> None:
        """Wait until the log has this text."""
        wait_until(lambda: self.log.count(text) >= count, f"{text!r} in the log: {self.log[-2000:]}", 30)

    def __enter__(self) -> Self:
        return self if self.process is not None else self.start()

    def __exit__(self, *exc: object) -> None:
        if self.process is not None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


__all__ = ["RUN", "Daemon", "environment"]
