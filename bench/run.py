"""The benchmark's command: `python -m bench.run` (`make bench`) measures the whole matrix and prints it.

Here: options, and which cases are run in which order. What is measured is in `bench.measure`, how it is shown
in `bench.report`. The exit status is 1 when a session failed, 0 otherwise: targets missed are printed, not
punished.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console

from bench.generator import Generator, Target
from bench.inspection import functions, system_calls
from bench.measure import Case, Growth, Memory, Row, best, growth, idle_memory, load
from bench.null_child import PROFILES
from bench.processes import Milter, ProcessError, Setup, null_children, postmill, relay
from bench.report import machine, show, verdicts
from bench.transaction import standard

SESSIONS = {1: 1000, 20: 3000, 200: 4000, 1000: 5000}
QUICK_SESSIONS = {1: 200, 20: 500, 200: 800, 1000: 1500}
WARM_UP = 200
IDLE_SESSIONS = 1000
GROWTH_SESSIONS = 20_000


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)

    def several(text: str) -> list[str]:
        return text.split(",")

    def profiles(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(PROFILES):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
        return names

    def numbers(text: str) -> list[int]:
        return [int(item) for item in text.split(",")]

    add = parser.add_argument
    add("--quick", action="store_true", help="fewer sessions for each figure, and no long memory run")
    add("--sockets", type=several, default=["unix", "inet"], help="unix,inet")
    add("--concurrency", type=numbers, default=list(SESSIONS), help="sessions at once: 1,20,200,1000")
    add("--children", type=numbers, default=[1, 3], help="how many milters: 1,3")
    add("--sessions", type=int, help="sessions for each figure")
    add("--repeat", type=int, default=1, help="measure each case so often and show the cheapest round")
    add(
        "--milter",
        type=profiles,
        default=["plain"],
        help=f"what the null milters ask for: {', '.join(PROFILES)}; with commas between, one for each",
    )
    add("--no-straight", action="store_true", help="leave out the milters asked straight")
    add("--no-relay", action="store_true", help="leave out the plain relay, the yardstick of CPU")
    add("--no-postmill", action="store_true", help="leave out Postmill")
    add("--no-memory", action="store_true", help="leave out memory")
    add("--no-speed", action="store_true", help="only memory")
    add("--workers", type=int, default=0, help="Postmill's worker processes; 0: one for each core")
    add("--ask", choices=["parallel", "in-turn"])
    add("--content", choices=["in-turn", "parallel"])
    add("--pipeline", choices=["on", "off"])
    add("--pool", choices=["on", "off"])
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    add("--system-calls", action="store_true", help="count system calls with strace instead")
    add("--profile", action="store_true", help="show with py-spy where the time goes instead")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(arguments)


class Benchmark:
    """Runs the cases that the options ask for."""

    def __init__(self, chosen: argparse.Namespace, console: Console) -> None:
        self._chosen = chosen
        self._console = console
        self._mail = standard()
        self.rows: list[Row] = []
        self.idle: list[Memory] = []
        self.grown: list[Growth] = []

    def run(self) -> None:
        """Measure everything, socket kind by socket kind."""
        inspecting = self._chosen.profile or self._chosen.system_calls
        for sockets in self._chosen.sockets:
            with tempfile.TemporaryDirectory(prefix="postmill-bench-") as directory:
                count = max(self._chosen.children)
                profiles = list(islice(cycle(self._chosen.milter), count))
                with null_children(sockets, profiles, Path(directory)) as children:
                    if inspecting:
                        self._inspect(sockets, children)
                        continue
                    if not self._chosen.no_speed:
                        self._speed(sockets, children)
                    if not self._chosen.no_memory and not self._chosen.no_postmill:
                        self._memory(sockets, children)

    def setup(self, sockets: str, children: Sequence[Milter]) -> Setup:
        """Return how Postmill runs in this benchmark."""
        chosen = self._chosen
        manager = {"workers": str(chosen.workers)}
        milter = {}
        if chosen.ask:
            manager["ask"] = f'"{chosen.ask}"'
        if chosen.content:
            milter["content"] = f'"{chosen.content}"'
        for name in ("pipeline", "pool"):
            if getattr(chosen, name):
                milter[name] = "true" if getattr(chosen, name) == "on" else "false"
        endpoints = [child.endpoint for child in children]
        return Setup(sockets, endpoints, manager, milter, chosen.log_level)

    def _speed(self, sockets: str, children: Sequence[Milter]) -> None:
        for count in self._chosen.children:
            with ExitStack() as stack:
                paths = self._paths(stack, sockets, children[:count])
                for concurrency in self._chosen.concurrency:
                    self._compare(paths, sockets, concurrency, children[:count])

    def _paths(self, stack: ExitStack, sockets: str, children: Sequence[Milter]) -> dict[str, Milter | None]:
        """Start what the sessions go through, and warm it up; None is the way straight to the milters."""
        chosen, paths = self._chosen, dict[str, Milter | None]()
        if not chosen.no_straight:
            paths["straight"] = None
        if not chosen.no_relay:
            paths["relay"] = stack.enter_context(relay(sockets, [child.endpoint for child in children]))
        if not chosen.no_postmill:
            paths["postmill"] = stack.enter_context(postmill(self.setup(sockets, children)))
        for manager in filter(None, paths.values()):
            Generator(self._mail, [manager.target], concurrency=20, sessions=WARM_UP).run()
        return paths

    def _compare(
        self, paths: Mapping[str, Milter | None], sockets: str, concurrency: int, children: Sequence[Milter]
    ) -> None:
        """Measure all paths at one concurrency, in turn, so that what disturbs one disturbs all."""
        sessions = self._chosen.sessions or self._sessions(concurrency)
        rounds: dict[str, list[Row]] = {path: [] for path in paths}
        for _ in range(self._chosen.repeat):
            for path, manager in paths.items():
                case = Case(path, len(children), sockets, concurrency)
                rounds[path].append(load(case, self._mail, sessions, children, manager))
        for path in paths:
            self._add(best(rounds[path]))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        case = row.case
        cost = "" if row.cpu is None else f", {row.cpu:.2f} CPU s/1000"
        self._console.print(
            f"{case.path} × {case.children} on {case.sockets} at {case.concurrency}: "
            f"{row.per_second:.0f}/s, p50 {row.p50:.2f} ms{cost} {row.errors or ''}",
            style="dim",
            highlight=False,
        )

    def _sessions(self, concurrency: int) -> int:
        table = QUICK_SESSIONS if self._chosen.quick else SESSIONS
        return table.get(concurrency, max(2 * concurrency, min(table.values())))

    def _memory(self, sockets: str, children: Sequence[Milter]) -> None:
        sessions = IDLE_SESSIONS // 2 if self._chosen.quick else IDLE_SESSIONS
        for after in ("H", "E"):
            with postmill(self.setup(sockets, children)) as manager:
                self.idle.append(idle_memory(sockets, self._mail, manager, children, sessions, after))
        if not self._chosen.quick:
            with postmill(self.setup(sockets, children)) as manager:
                count = len(children)
                self.grown.append(growth(sockets, self._mail, manager, count, GROWTH_SESSIONS))

    def _inspect(self, sockets: str, children: Sequence[Milter]) -> None:
        """Look into the relay and Postmill under load: their system calls or their functions."""
        concurrency = self._chosen.concurrency[0]
        with ExitStack() as stack:
            for path, manager in self._paths(stack, sockets, children).items():
                if manager is None:
                    continue
                targets = [manager.target]

                def run(sessions: int, targets: Sequence[Target] = targets) -> None:
                    Generator(self._mail, targets, concurrency=concurrency, sessions=sessions).run()

                title = f"{path}, {len(children)} milters on {sockets} sockets, {concurrency} at once"
                if self._chosen.system_calls:
                    self._console.print(system_calls(manager.watched, run, title))
                if self._chosen.profile:
                    self._console.print(functions(manager.watched, run, title))

    def as_json(self) -> dict[str, object]:
        """Return all figures as JSON values."""
        return {
            "machine": machine(),
            "options": {key: str(value) for key, value in vars(self._chosen).items()},
            "rows": [row.as_json() for row in self.rows],
            "idle": [asdict(memory) for memory in self.idle],
            "growth": [asdict(grown) for grown in self.grown],
            "verdicts": [str(verdict) for verdict in verdicts(self.rows, self.idle, self.grown)],
        }

    def failures(self) -> Iterator[str]:
        """Yield what makes the run a failure: errors of sessions."""
        for row in self.rows:
            for what, count in row.errors.items():
                yield f"{count} × {what} in {row.case}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status."""
    chosen = options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(machine(), style="bold", highlight=False)
    benchmark = Benchmark(chosen, console)
    try:
        benchmark.run()
    except ProcessError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    finally:
        show(console, benchmark.rows, benchmark.idle, benchmark.grown)
    if chosen.json:
        chosen.json.write_text(json.dumps(benchmark.as_json(), indent=1) + "\n")
    return 1 if list(benchmark.failures()) else 0


if __name__ == "__main__":
    sys.exit(main())
