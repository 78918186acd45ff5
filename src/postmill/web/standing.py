"""How milters stand, for the pages that show them: the daemon's status beside what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postmill.record import ChildTally, Tally, percentile
from postmill.record.tally import Histogram
from postmill.web.charts import WORDS, slowest_stage
from postmill.web.daemon import Status

_ASKED_ONLY = ("skipped", "not-asked")


@dataclass(frozen=True, slots=True)
class Standing:
    """One milter: what the daemon says of it now, and what was counted."""

    name: str
    now: dict[str, Any] | None
    """Its entry in the status; None when the daemon cannot be asked, or does not know it any more."""
    tally: ChildTally

    @property
    def state(self) -> str:
        """The state in the daemon's word."""
        return str(self.now["state"]) if self.now is not None else "unknown"

    @property
    def mode(self) -> str:
        """The mode in force."""
        return str(self.now["mode"]) if self.now is not None else "unknown"

    @property
    def faults(self) -> int:
        """How often it was lost."""
        return sum(self.tally.errors.values())

    @property
    def mix(self) -> list[tuple[str, int, float, float]]:
        """What it said: word, count, and where the piece of a bar begins and how long it is, in percent."""
        counts = self.tally.verdicts
        names = [*(word for word in WORDS if counts.get(word)), *sorted(set(counts) - {*WORDS})]
        names = [name for name in names if name not in _ASKED_ONLY]
        whole = sum(counts[name] for name in names)
        pieces: list[tuple[str, int, float, float]] = []
        begin = 0.0
        for name in names:
            length = 100 * counts[name] / whole
            pieces.append((name, counts[name], round(begin, 3), round(length, 3)))
            begin += length
        return pieces

    @property
    def stage(self) -> str:
        """The stage at which it takes its time; empty when nothing is known."""
        return slowest_stage(self.tally.times)

    @property
    def times(self) -> list[tuple[str, int, float, float, float]]:
        """Stage, answers, and the milliseconds within which 50, 90 and 99 of 100 of them came."""
        return [
            (stage, sum(times.values()), *_half_most_all(times)) for stage, times in self.tally.times.items()
        ]

    @property
    def typical(self) -> tuple[float, float] | None:
        """Half, and 99 of 100, of its answers at ``stage`` came within so many milliseconds."""
        times = self.tally.times.get(self.stage)
        return (percentile(times, 0.5), percentile(times, 0.99)) if times else None


def _half_most_all(times: Histogram) -> tuple[float, float, float]:
    return percentile(times, 0.5), percentile(times, 0.9), percentile(times, 0.99)


def standings(status: Status | None, tally: Tally) -> Sequence[Standing]:
    """Return all milters in their order; without the daemon, those that were counted."""
    if status is None:
        return [Standing(name, None, child) for name, child in tally.children.items()]
    return [
        Standing(str(milter["name"]), milter, tally.children.get(milter["name"], ChildTally()))
        for milter in status["milters"]
    ]
