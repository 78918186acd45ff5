"""How the figures are shown: tables, and one line for each target with PASS or FAIL. Not here: measuring."""

import os
import platform
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Growth, Memory, Row

RATIO_TARGET = 0.92
"""Most CPU against the plain relay: 0.6 s per 1,000 sessions where such a relay needs 0.65."""
CPU_ON_REFERENCE = {"unix": 0.6, "inet": 1.1}
"""The same in seconds, on the machine where it was set; on another one they say nothing."""
IDLE_TARGET = 25_000
FLAT = 50
"""Bytes for each session that still count as flat, over the second half of the run."""
TARGET_CHILDREN = 3
FIGURES = (
    "at once",
    "sessions/s",
    "p50 ms",
    "p99 ms",
    "p50 ratio",
    "CPU s/1000",
    "CPU ratio",
    "milters",
    "generator",
)


@dataclass(frozen=True)
class Verdict:
    """One target and whether it was met; None where the figure is shown for information only."""

    met: bool | None
    text: str

    def __str__(self) -> str:
        return f"{ {True: 'PASS', False: 'FAIL', None: 'INFO'}[self.met] }  {self.text}"


def machine() -> str:
    """Return one line about the machine and the Python."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    return (
        f"{os.cpu_count()} × {model}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}, a packet there and back {round_trip() * 1e6:.0f} µs CPU"
    )


def round_trip(rounds: int = 5000) -> float:
    """Return the CPU seconds of this process for one small packet to another process and its answer.

    Most of it is waking the other one: the price of a wake-up differs tenfold between machines and, on one
    machine, with what else it does. Figures of CPU can be compared only where this one is alike.
    """
    here, there = socket.socketpair()
    process = os.fork()
    if not process:
        here.close()
        while there.recv(1):
            there.send(b"c")
        os._exit(0)
    there.close()
    with here:
        start = time.process_time()
        for _ in range(rounds):
            here.send(b"c")
            here.recv(1)
        used = time.process_time() - start
    os.waitpid(process, 0)
    return used / rounds


def speed_table(rows: Sequence[Row]) -> Table:
    """Return the matrix: latency beside that of the milters asked straight, CPU beside that of the relay."""
    table = Table(title="Sessions of 2 recipients, 12 headers, 8 KB body")
    table.add_column("path", no_wrap=True)
    table.add_column("sockets")
    for name in FIGURES:
        table.add_column(name, justify="right")
    table.add_column("errors", style="red")
    for row in rows:
        straight, cost = beside(row, "straight", rows), cpu_ratio(row, rows)
        table.add_row(
            f"{row.case.path}, {row.case.children} milter{'s' * (row.case.children > 1)}",
            row.case.sockets,
            str(row.case.concurrency),
            f"{row.per_second:.0f}",
            f"{row.p50:.2f}",
            f"{row.p99:.2f}",
            f"{row.p50 / straight.p50:.2f}" if straight and straight.p50 else "",
            "" if row.cpu is None else f"[bold]{row.cpu:.2f}[/bold]",
            "" if cost is None else f"[bold]{cost:.2f}[/bold]",
            f"{row.children_cpu:.2f}",
            f"{row.generator_cpu:.2f}",
            ", ".join(f"{count} × {what}" for what, count in row.errors.items()),
        )
    return table


def beside(row: Row, path: str, rows: Iterable[Row]) -> Row | None:
    """Return what the same sessions came to on another path."""
    wanted = replace(row.case, path=path)
    return next((other for other in rows if other.case == wanted and other is not row), None)


def cpu_ratio(row: Row, rows: Iterable[Row]) -> float | None:
    """Return the CPU of a row against that of the relay, where both were measured and served all sessions."""
    relay = beside(row, "relay", rows)
    if row.cpu is None or relay is None or not relay.cpu or row.errors or relay.errors:
        return None
    return row.cpu / relay.cpu


def memory_table(idle: Sequence[Memory], grown: Sequence[Growth]) -> Table:
    """Return what an open session holds, and the memory over many sessions."""
    table = Table(title="Memory of Postmill (unique set size)")
    for name in ("what", "sockets", "milters", "sessions", "figure"):
        table.add_column(name, justify="right" if name in {"milters", "sessions"} else "left")
    for memory in idle:
        what = f"each open session, idle after {memory.after} ({memory.connected} milter connections)"
        figure = f"{memory.per_session / 1000:.1f} KB"
        table.add_row(what, memory.sockets, str(memory.children), str(memory.sessions), figure)
    for growth in grown:
        figure = " ".join(f"{size / 1e6:.1f}" for _, size in growth.samples) + " MB"
        last = growth.samples[-1][0]
        table.add_row(
            "after each part of many sessions", growth.sockets, str(growth.children), str(last), figure
        )
    return table


def verdicts(rows: Sequence[Row], idle: Sequence[Memory], grown: Sequence[Growth]) -> list[Verdict]:
    """Compare with the targets whatever of them was measured; of several figures the worst one counts."""
    found = list(_speed(rows))
    found += _errors(rows)
    for memory in idle:
        text = (
            f"an open session idle after {memory.after} on {memory.sockets} sockets holds "
            f"{memory.per_session / 1000:.1f} KB (target: under {IDLE_TARGET / 1000:.0f} KB)"
        )
        found.append(Verdict(memory.per_session < IDLE_TARGET, text))
    for growth in grown:
        limit = FLAT * growth.over
        text = (
            f"memory on {growth.sockets} sockets grows by {growth.bytes / 1000:.0f} KB over the last "
            f"{growth.over} of {growth.samples[-1][0]} sessions (flat: at most {limit / 1000:.0f} KB)"
        )
        found.append(Verdict(growth.bytes <= limit, text))
    return found


def _speed(rows: Sequence[Row]) -> Iterator[Verdict]:
    for sockets, reference in CPU_ON_REFERENCE.items():
        costs = [
            row
            for row in rows
            if (row.case.path, row.case.sockets, row.case.children) == ("postmill", sockets, TARGET_CHILDREN)
        ]
        for row in costs:
            if (ratio := cpu_ratio(row, rows)) is not None:
                text = (
                    f"{ratio:.2f} of the plain relay's CPU on {sockets} sockets with {TARGET_CHILDREN} "
                    f"milters, {row.case.concurrency} at once (target: at most {RATIO_TARGET})"
                )
                yield Verdict(ratio <= RATIO_TARGET, text)
        if costs:
            figures = ", ".join(f"{row.cpu or 0:.2f} at {row.case.concurrency}" for row in costs)
            text = (
                f"CPU s per 1,000 sessions on {sockets} sockets with {TARGET_CHILDREN} milters: {figures} "
                f"at once (at most {reference} on the machine where a plain relay needs 0.65 on unix sockets)"
            )
            yield Verdict(None, text)


def _errors(rows: Sequence[Row]) -> list[Verdict]:
    through = [row for row in rows if row.case.path == "postmill"]
    if not through:
        return []
    crowd = max(row.case.concurrency for row in through)
    errors = sum(sum(row.errors.values()) for row in through)
    sessions = sum(row.sessions for row in through)
    return [
        Verdict(not errors, f"{errors} errors in {sessions} sessions, up to {crowd} at once (target: none)")
    ]


def show(console: Console, rows: Sequence[Row], idle: Sequence[Memory], grown: Sequence[Growth]) -> None:
    """Print the tables and the verdicts."""
    if rows:
        console.print(speed_table(rows))
        console.print(
            "p50 ratio: latency against the same milters straight. CPU ratio: against the plain relay. "
            "milters, generator: their CPU s/1000.",
            style="dim",
        )
    if idle or grown:
        console.print(memory_table(idle, grown))
    for verdict in verdicts(rows, idle, grown):
        style = {True: "green", False: "red", None: "dim"}[verdict.met]
        console.print(str(verdict), style=style, highlight=False)
