"""Command line: ``python -m tests.interop.differential --count 10000 --seed 7 --jobs 2``.

Without ``--count`` it plays the fixed shelves (families, matrix, edits, kept).  Exit status 1 when
something differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.interop.differential import clients, edits, families, generate, matrix, modes
from tests.interop.differential.campaign import KEPT, Tally, load_kept, run_on_lanes
from tests.interop.differential.scenario import ManagerSettings, Scenario, from_json


def main() -> int:
    """Parse, run, print."""
    options = _parser().parse_args()
    scenarios = [_changed(scenario, options) for scenario in _chosen(options)]
    if options.match:
        scenarios = [scenario for scenario in scenarios if options.match in scenario.name]
    kept = Path(options.keep) if options.keep else None
    total = run_on_lanes(scenarios, options.jobs, kept, _report, options.chunk)
    for text in [*total.different, *(f"unsteady: {text}" for text in total.unsteady)]:
        print(text)
    print(total)
    return 1 if total.different else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.differential", description=__doc__)
    parser.add_argument("--count", type=int, default=0, help="random scenarios to play")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random scenarios")
    parser.add_argument("--jobs", type=int, default=2, help="lanes at once")
    parser.add_argument("--chunk", type=int, default=250, help="scenarios for each lane at a time")
    parser.add_argument("--match", default="", help="only scenarios whose name contains this")
    parser.add_argument("--keep", default=str(KEPT), help="folder for shrunk scenarios; empty: do not shrink")
    parser.add_argument("--ask", choices=("in-turn", "parallel"), help="override how Postmill asks")
    parser.add_argument("--content", choices=("in-turn", "parallel"), help="override the content mode")
    parser.add_argument("files", nargs="*", help="scenario files to play instead")
    return parser


def _chosen(options: argparse.Namespace) -> Iterator[Scenario]:
    if options.files:
        yield from (from_json(Path(name).read_text()) for name in options.files)
    elif options.count:
        yield from generate.scenarios(options.seed, options.count, options.start)
    else:
        for shelf in (
            families.comparable(),
            matrix.scenarios(),
            matrix.bursts(),
            edits.scenarios(),
            clients.scenarios(),
            modes.scenarios(),
            load_kept(),
        ):
            yield from shelf


def _changed(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    manager: ManagerSettings = scenario.manager
    if options.ask:
        manager = replace(manager, ask=options.ask)
    if options.content:
        manager = replace(manager, content=options.content)
    return replace(scenario, manager=manager)


def _report(tally: Tally) -> None:
    names = " ".join(text.partition(":")[0] for text in tally.different)
    print(tally, names, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
