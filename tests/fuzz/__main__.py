"""Fuzz without end: ``python -m tests.fuzz [target ...] [--seconds N] [--seed N]``.

Ends with status 1 and the input as hex when a target breaks the invariant. With atheris installed,
``--atheris TARGET`` hands the target to its coverage-guided engine instead.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import traceback

from tests.fuzz.mutation import example
from tests.fuzz.targets import TARGETS, survive


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"any of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=0, help="stop after this time (0 = never)")
    parser.add_argument("--seed", type=int, default=None, help="begin with this state of the dice")
    parser.add_argument("--atheris", choices=TARGETS, default=None, help="use atheris on this target")
    found = parser.parse_args()
    if unknown := set(found.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    return found


def with_atheris(name: str) -> None:
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv[:1], lambda data: survive(name, data))
    atheris.Fuzz()


def main() -> int:
    chosen = options()
    if chosen.atheris:
        with_atheris(chosen.atheris)
    seed = chosen.seed if chosen.seed is not None else random.randrange(1 << 32)
    dice, names, count = random.Random(seed), chosen.targets or list(TARGETS), 0
    print(f"seed {seed}", flush=True)
    end = time.monotonic() + chosen.seconds if chosen.seconds else float("inf")
    while time.monotonic() < end:
        name = dice.choice(names)
        data = example(TARGETS[name].speaks, dice)
        try:
            survive(name, data)
        except Exception:
            traceback.print_exc()
            print(f"target {name} broke on {data.hex()}")
            return 1
        count += 1
        if count % 100_000 == 0:
            print(f"{count} inputs", flush=True)
    print(f"{count} inputs, no surprise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
