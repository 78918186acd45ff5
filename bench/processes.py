"""The processes of a benchmark: started, watched through /proc, stopped. Not here: what load they get.

CPU is user and system time of a process and of all its descendants, in seconds, as the kernel accounts it
(to 10 ms); memory is the unique set size, the pages that no other process shares, in bytes.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.generator import Target

ROOT = Path(__file__).parent.parent
TICK = os.sysconf("SC_CLK_TCK")
STARTING = 20.0
STOPPING = 10.0


class ProcessError(Exception):
    """A process of the benchmark did not start, or ended too soon."""


@dataclass(frozen=True)
class Watched:
    """One process with its descendants."""

    pid: int

    def pids(self) -> list[int]:
        """Return its process ids, its own first."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
        return found

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        return sum(_cpu(pid) for pid in self.pids())

    def memory(self) -> int:
        """Return the unique set size in bytes."""
        return sum(_unique(pid) for pid in self.pids())

    def sockets(self) -> int:
        """Return the number of open sockets."""
        files = [fd for pid in self.pids() for fd in Path(f"/proc/{pid}/fd").iterdir()]
        return sum(_is_socket(file) for file in files)


def _is_socket(file: Path) -> bool:
    try:
        return os.readlink(file).startswith("socket:")
    except FileNotFoundError:  # closed since it was listed
        return False


def _cpu(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICK


def _unique(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


@contextmanager
def _process(command: Sequence[str], output: Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with output.open("a") as log:
        process = subprocess.Popen(
            command, stderr=log, stdin=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT, **options
        )  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@dataclass(frozen=True)
class Milter:
    """A running process that speaks the milter protocol: a null milter, the relay, or Postmill."""

    endpoint: str
    watched: Watched

    @property
    def target(self) -> Target:
        """Return where it listens."""
        return Target.parse(self.endpoint)


@contextmanager
def null_children(sockets: str, profiles: Sequence[str], directory: Path) -> Iterator[list[Milter]]:
    """Run one null milter for each profile, on `unix` or `inet` sockets."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_announced("null_child", f"null{number}", sockets, [profile], directory))
            for number, profile in enumerate(profiles, 1)
        ]


@contextmanager
def relay(sockets: str, children: Sequence[str]) -> Iterator[Milter]:
    """Run the plain relay before these endpoints until the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="postmill-bench-") as directory,
        _announced("relay", "relay", sockets, children, Path(directory)) as running,
    ):
        yield running


@contextmanager
def _announced(
    module: str, name: str, sockets: str, arguments: Sequence[str], directory: Path
) -> Iterator[Milter]:
    """Run one of our own programs, which print where they listen."""
    wish = f"unix:{directory}/{name}.sock" if sockets == "unix" else "inet:0@127.0.0.1"
    command = [sys.executable, "-m", f"bench.{module}", wish, *arguments]
    output = directory / f"{name}.log"
    with _process(command, output, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            raise ProcessError(f"{name} did not start:\n{output.read_text()}")
        yield Milter(endpoint, Watched(process.pid))


@dataclass(frozen=True)
class Setup:
    """How Postmill is to run: what goes into its configuration, each value as TOML text."""

    sockets: str
    children: Sequence[str]
    manager: dict[str, str] = field(default_factory=dict)
    milter: dict[str, str] = field(default_factory=dict)
    log_level: str = "info"
    wrapper: Sequence[str] = ()

    def listen(self, directory: Path) -> str:
        """Return the endpoint it is to listen on; for TCP a port that is free now."""
        if self.sockets == "unix":
            return f"unix:{directory}/postmill.sock"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return f"inet:{probe.getsockname()[1]}@127.0.0.1"

    def configuration(self, listen: str) -> str:
        """Return the text of its configuration file."""
        manager = {"listen": f'["{listen}"]', "socket_mode": '"0666"', **self.manager}
        lines = ["[manager]", *(f"{key} = {value}" for key, value in manager.items())]
        lines += ["", "[log]", f'level = "{self.log_level}"', "", "[control]", 'socket = ""']
        for number, endpoint in enumerate(self.children, 1):
            lines += ["", f"[milters.null{number}]", f'socket = "{endpoint}"']
            lines += [f"{key} = {value}" for key, value in self.milter.items()]
        return "\n".join(lines) + "\n"


@contextmanager
def postmill(setup: Setup) -> Iterator[Milter]:
    """Run Postmill until the block ends. Raises ProcessError when it does not come up or does not stay."""
    with tempfile.TemporaryDirectory(prefix="postmill-bench-") as name:
        directory = Path(name)
        listen, file, log = setup.listen(directory), directory / "postmill.toml", directory / "postmill.log"
        file.write_text(setup.configuration(listen))
        command = [*setup.wrapper, sys.executable, "-m", "postmill", "run", "--config", str(file)]
        with log.open("w") as output, _process(command, log, stdout=output) as process:
            running = Milter(listen, Watched(process.pid))
            _wait_for(lambda: _accepts(running.target), process, log)
            yield running
            if process.poll() is not None:
                raise ProcessError(
                    f"Postmill ended with status {process.returncode}:\n{log.read_text()[-2000:]}"
                )


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + STARTING
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ProcessError(f"Postmill did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _accepts(target: Target) -> bool:
    with socket.socket(target.family) as attempt:
        try:
            attempt.connect(target.address)
        except OSError:
            return False
    return True
