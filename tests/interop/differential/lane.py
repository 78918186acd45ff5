"""Two sides that play the same scenarios at the same time, and what follows from a pair of observations."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from tests.interop.differential.compare import Verdict, compare
from tests.interop.differential.observation import Observation
from tests.interop.differential.scenario import Scenario
from tests.interop.differential.side import Kind, Side

REPEATS = 2


@dataclass(frozen=True)
class Outcome:
    """The result of one scenario.  ``unsteady``: a difference was seen, but not again in each repetition."""

    scenario: Scenario
    verdict: Verdict
    direct: Observation
    behind: Observation
    unsteady: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.verdict.differences

    def report(self) -> str:
        """The differences as text, with the tail of the behind side's mail log."""
        lines = [f"{self.scenario.name}:", *map(str, self.verdict.differences)]
        lines.append("    log behind: " + "\n        ".join(self.behind.log.splitlines()[-12:]))
        return "\n".join(lines)


class Lane:
    """A pair of sides.  ``kinds`` other than direct and behind serve to test the harness itself."""

    def __init__(
        self, scenarios: Iterable[Scenario], kinds: tuple[Kind, Kind] = ("direct", "behind")
    ) -> None:
        profiles = list(dict.fromkeys(scenario.profile for scenario in scenarios))
        self._pool = ThreadPoolExecutor(max_workers=2)
        made = [self._pool.submit(Side, kind, profiles) for kind in kinds]
        self.left, self.right = (future.result() for future in made)

    def pair(self, one: Scenario, other: Scenario | None = None) -> tuple[Observation, Observation]:
        """Play a scenario on both sides (``other`` on the right one, if given)."""
        played = [self._pool.submit(self.left.play, one), self._pool.submit(self.right.play, other or one)]
        return played[0].result(), played[1].result()

    def run(self, scenario: Scenario) -> Outcome:
        """Play and compare; a difference counts when it shows in every repetition."""
        outcome = self._once(scenario)
        for _ in range(REPEATS):
            if outcome.same:
                break
            again = self._once(scenario)
            if again.same:
                return Outcome(scenario, outcome.verdict, outcome.direct, outcome.behind, unsteady=True)
        return outcome

    def _once(self, scenario: Scenario) -> Outcome:
        direct, behind = self.pair(scenario)
        return Outcome(scenario, compare(scenario, direct, behind), direct, behind)

    def learn(self, scenarios: Iterable[Scenario]) -> None:
        """Make sure that these scenarios can be played; seconds when one needs a new profile."""
        profiles = [scenario.profile for scenario in scenarios]
        for side in (self.left, self.right):
            side.add_profiles(profiles)

    def close(self) -> None:
        """Stop everything."""
        for side in (self.left, self.right):
            side.close()
        self._pool.shutdown()

    def __enter__(self) -> Lane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
