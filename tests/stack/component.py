"""One real program in the foreground: configure, start, wait until it answers, stop, kill; all by pid.

What belongs here is what all components share. How a single program is configured stands in its own file. A
component owns one private directory, listens on UNIX sockets inside it (or on a loopback port), and changes
nothing else on the machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.postfix import wait_until
from tests.stack.box import Box

#: Seconds between SIGTERM and SIGKILL. libmilter looks at its shutdown flag every five seconds only.
STOP_GRACE = 0.2


class Component:
    """A daemon as a context manager. Subclasses give `name`, `prepare`, `command` and `ready`."""

    name = ""
    #: User that the daemon runs as; it owns the component's directory.
    user = "root"

    def __init__(self, directory: Path, box: Box | None = None) -> None:
        self.directory = directory / self.name
        self.box = box
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Write the configuration files below `directory`."""

    def command(self) -> Sequence[str]:
        """Return the command line that runs the daemon in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Tell whether the daemon answers now."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Process id of the daemon; RuntimeError when it was not started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything the daemon wrote to stdout and stderr so far."""
        path = self.directory / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Configure on the first call, start, and return when `ready`; RuntimeError when the daemon ends."""
        self.launch()
        wait_until(self.up, f"{self.name} does not answer")
        return self

    def launch(self) -> None:
        """Configure on the first call and start, without waiting."""
        if not self.directory.exists():
            self.directory.mkdir(mode=0o755)
            self.prepare()
            give(self.directory, self.user)
        command = self.box.inside(self.command()) if self.box else self.command()
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )

    def stop(self) -> None:
        """End the daemon and all its processes: SIGTERM, then SIGKILL. Harmless when it is not running."""
        if self._process is None:
            return
        family = descendants(self._process.pid)
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_GRACE)
        self._end(family)

    def kill(self) -> None:
        """End the daemon with SIGKILL at once, as a crash would; its socket file stays behind."""
        self._end(descendants(self.pid))

    def up(self) -> bool:
        """Tell whether the daemon is ready; RuntimeError when it has ended."""
        process = self._process
        if process is None or process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.output[-1000:]}")
        return self.ready()

    def _end(self, family: Sequence[int]) -> None:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class MilterComponent(Component):
    """A component that is a milter on a UNIX socket."""

    @property
    def socket(self) -> Path:
        """The milter's socket."""
        return self.directory / "milter.sock"

    @property
    def endpoint(self) -> str:
        """The socket as MTAs and Postmill write it."""
        return f"unix:{self.socket}"

    def ready(self) -> bool:
        """A milter is there when its socket accepts a connection: a file alone may be a dead one's."""
        return answers(self.socket)


@contextlib.contextmanager
def running(components: Iterable[Component]) -> Iterator[None]:
    """Start the components side by side; inside the block all are ready."""
    with contextlib.ExitStack() as opened:
        started = list(components)
        for component in started:
            opened.callback(component.stop)
            component.launch()
        for component in started:
            wait_until(component.up, f"{component.name} does not answer")
        yield


def answers(path: Path) -> bool:
    """Tell whether somebody accepts connections on the UNIX socket `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def as_user(user: str, *command: str) -> list[str]:
    """Return `command` run as `user` with that user's own group and an open umask.

    libmilter makes its socket with the umask in force; Postfix connects as its own user.
    """
    drop = ["setpriv", "--reuid", user, "--regid", primary_group(user), "--clear-groups"]
    return [*drop, "sh", "-c", 'umask 0; exec "$0" "$@"', *command]


def primary_group(user: str) -> str:
    """Return the name of the user's primary group."""
    return subprocess.run(["id", "-gn", user], check=True, capture_output=True, text=True).stdout.strip()


def give(directory: Path, user: str) -> None:
    """Make `user` the owner of `directory` and all in it."""
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, user)


def descendants(pid: int) -> list[int]:
    """Return `pid` and the processes below it, parents first."""
    found, todo = [], [pid]
    while todo:
        current = todo.pop(0)
        found.append(current)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{current}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
    return found
