"""Runs many scenarios on several lanes, each in a process of its own; keeps what differs as small files."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.differential.lane import Lane, Outcome
from tests.interop.differential.scenario import Scenario, from_json
from tests.interop.differential.shrink import shrink
from tests.interop.differential.side import Kind

KEPT = Path(__file__).with_name("kept")


@dataclass
class Tally:
    """What a campaign found: how many ran, which excuses were needed, and the reports of what differed."""

    ran: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    unsteady: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.ran += other.ran
        self.excused += other.excused
        self.unsteady += other.unsteady
        self.different += other.different

    def __str__(self) -> str:
        excuses = ", ".join(f"{name} {count}" for name, count in self.excused.most_common()) or "none"
        return (
            f"{self.ran} scenarios in {self.seconds:.0f} s: {len(self.different)} differ, "
            f"{len(self.unsteady)} unsteady; excuses used: {excuses}"
        )


def load_kept() -> list[Scenario]:
    """The scenarios that once differed."""
    return [from_json(path.read_text()) for path in sorted(KEPT.glob("*.json"))]


def keep(scenario: Scenario, folder: Path = KEPT) -> Path:
    """Write a scenario where `load_kept` finds it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{scenario.name}.json"
    path.write_text(scenario.to_json())
    return path


def run_here(
    scenarios: Iterable[Scenario],
    *,
    kinds: tuple[Kind, Kind] = ("direct", "behind"),
    kept: Path | None = None,
    progress: Callable[[Outcome], None] | None = None,
) -> Tally:
    """Run scenarios on one lane in this process, those of one profile together.

    With ``kept``, shrink what differs and write it there.
    """
    ordered = by_profile(scenarios)
    tally = Tally()
    begun = time.monotonic()
    with Lane(ordered, kinds) as lane:
        for scenario in ordered:
            outcome = lane.run(scenario)
            _count(tally, outcome)
            if progress is not None:
                progress(outcome)
            if kept is not None and not outcome.same and not outcome.unsteady:
                tally.different[-1] += f"\n    kept as {_shrunk(lane, scenario, kept)}"
    tally.seconds = time.monotonic() - begun
    return tally


def run_on_lanes(
    scenarios: Sequence[Scenario],
    jobs: int,
    kept: Path | None,
    report: Callable[[Tally], None],
    chunk: int = 500,
) -> Tally:
    """Run scenarios on ``jobs`` processes in chunks; ``report`` sees the sum after each chunk."""
    total = Tally()
    begun = time.monotonic()
    chunks = [scenarios[place : place + chunk] for place in range(0, len(scenarios), chunk)]
    with ProcessPoolExecutor(jobs, initializer=_end_when_terminated) as pool:
        for done in as_completed([pool.submit(run_here, part, kept=kept) for part in chunks]):
            total.add(done.result())
            total.seconds = time.monotonic() - begun
            report(total)
    return total


def _end_when_terminated() -> None:
    """Make SIGTERM end a lane as an error would: with everything it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def by_profile(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """Order scenarios so that those of one profile follow each other (a Postmill is started for each)."""
    groups: dict[object, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.profile, []).append(scenario)
    return [scenario for group in groups.values() for scenario in group]


def _count(tally: Tally, outcome: Outcome) -> None:
    tally.ran += 1
    tally.excused.update(outcome.verdict.excused)
    if outcome.unsteady:
        tally.unsteady.append(outcome.report())
    elif not outcome.same:
        tally.different.append(outcome.report())


def _shrunk(lane: Lane, scenario: Scenario, folder: Path) -> Path:
    def differs(candidate: Scenario) -> bool:
        lane.learn([candidate])
        outcome = lane.run(candidate)
        return not outcome.same and not outcome.unsteady

    return keep(shrink(scenario, differs), folder)
