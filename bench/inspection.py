"""A look into Postmill, or the relay, under load: its system calls (strace) and its functions (py-spy).

Both slow it down, so no figure of time comes from here. Not here: starting it, choosing the load.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.table import Table

from bench.processes import ProcessError, Watched

SESSIONS = 1000
PROFILED_SESSIONS = 6000
RATE = 500
SHOWN = 30

Run = Callable[[int], None]


def system_calls(watched: Watched, run: Run, title: str) -> Table:
    """Count the system calls while `run` makes sessions; return them for each session."""
    counts = _count(watched, run)
    table = Table(title=f"System calls per session: {title}")
    table.add_column("call")
    table.add_column("per session", justify="right")
    for call, count in counts.most_common():
        if count >= SESSIONS / 100:
            table.add_row(call, f"{count / SESSIONS:.2f}")
    table.add_row("all", f"{counts.total() / SESSIONS:.1f}", style="bold")
    return table


def _count(watched: Watched, run: Run) -> Counter[str]:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "strace")
        attach = [option for pid in watched.pids() for option in ("-p", str(pid))]
        options = ["-f", "-c", "-S", "calls", "-U", "calls,name", "-o", str(output)]
        command = [_program("strace"), *options, *attach]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            _wait_for_attachment(tracer, len(watched.pids()))
            run(SESSIONS)
            tracer.send_signal(signal.SIGINT)
        return _parse_counts(output.read_text().splitlines())


def _wait_for_attachment(tracer: "subprocess.Popen[str]", processes: int) -> None:
    assert tracer.stderr is not None
    for line in tracer.stderr:
        processes -= "attached" in line
        if processes <= 0:
            return
    raise ProcessError("strace could not attach to Postmill")


def _parse_counts(lines: Iterable[str]) -> Counter[str]:
    rows = (line.split() for line in lines)
    return Counter(
        {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total"}
    )


def functions(watched: Watched, run: Run, title: str) -> Table:
    """Sample the Python stacks while `run` makes sessions; return the functions that take the most time."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "stacks")
        options = ["--subprocesses", "--rate", str(RATE), "--format", "raw", "--nonblocking"]
        command = [_program("py-spy"), "record", *options, "--pid", str(watched.pid), "--output", str(output)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sampler:
            run(PROFILED_SESSIONS)
            sampler.send_signal(signal.SIGINT)
        return _hottest(output.read_text().splitlines(), title)


def _hottest(stacks: Iterable[str], title: str) -> Table:
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        names = [_function(frame) for frame in frames.split(";")]
        own[names[-1]] += int(count)
        total.update({name: int(count) for name in set(names)})
    samples = max(1, own.total())
    table = Table(title=f"Where the time goes: {title}")
    table.add_column("function", no_wrap=True)
    table.add_column("itself", justify="right")
    table.add_column("with what it calls", justify="right")
    for name, hits in own.most_common(SHOWN):
        table.add_row(name, f"{100 * hits / samples:.1f} %", f"{100 * total[name] / samples:.1f} %")
    return table


def _function(frame: str) -> str:
    """Leave the line number out of `name (file.py:12)`."""
    name, _, place = frame.partition(" (")
    return f"{name} ({place.partition(':')[0].rstrip(')')})" if place else name


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        raise ProcessError(f"{name} is not installed")
    return found
