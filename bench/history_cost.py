"""`python -m bench.history_cost`: what a history costs each message, in CPU of Postmill; ``--everything``:
with the dashboard and metrics beside it, too.

Two Postmills, with a history and without one, get the same mail in turn, a few hundred messages each time.
Both log JSON, ask the same three milters, and have one worker. Counted is the CPU of parent and worker with
its threads, after what waits to be written was written.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from bench.filter_pairs import MAIL
from bench.filters import cpu_seconds
from postmill.testing.child import ScriptedChild
from postmill.testing.load import send_load
from postmill.testing.plan import SessionPlan
from postmill.testing.script import Rule, Script
from postmill.testing.words import edit, reply
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon
from tests.stack.component import descendants

TARGET = 1.10
AT_ONCE = 20
_WRITTEN = 0.8
"""Seconds in which all that waits is written."""
_STARTED = 5.0
"""Seconds in which programs beside the daemon are up."""
TAG = Script(rules=[Rule("E", (edit("add-header:X-Spam-Status:No, score=0.1"), reply("continue")))])


def spent(daemon: Daemon, messages: int) -> float:
    """Send messages; return the seconds of CPU that they cost."""
    time.sleep(_WRITTEN)
    before = sum(map(cpu_seconds, descendants(daemon.pid)))
    report = send_load(parse_endpoint(daemon.endpoint), SessionPlan(mails=(MAIL,)), messages, AT_ONCE)
    if report.errors:
        raise SystemExit(f"errors: {report.errors}")
    time.sleep(_WRITTEN)
    return sum(map(cpu_seconds, descendants(daemon.pid))) - before


def _tables(daemon: Daemon, everything: bool) -> Mapping[str, Mapping[str, Any]]:
    """Return what is on."""
    history = {"history": {"url": f"sqlite:{daemon.directory}/history.db"}}
    if not everything:
        return history
    return {
        **history,
        "web": {"listen": ["inet:0@127.0.0.1"]},
        "metrics": {"listen": "inet:0@127.0.0.1"},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when the history costs more than the target."""
    parser = argparse.ArgumentParser(prog="python -m bench.history_cost", description=__doc__)
    parser.add_argument("--messages", type=int, default=500, help="in each turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="turns (default: %(default)s)")
    parser.add_argument(
        "--everything", action="store_true", help="with the dashboard and metrics, whom nobody asks"
    )
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        children = [stack.enter_context(ScriptedChild(TAG if not place else Script())) for place in range(3)]
        milters = {f"milter{place}": {"socket": str(one.endpoint)} for place, one in enumerate(children)}
        daemons = []
        for has_history in (False, True):
            daemon = Daemon(milters, workers=1)
            daemon.log_settings = {"format": "json"}
            if has_history:
                daemon.tables.update(_tables(daemon, options.everything))
            daemons.append(stack.enter_context(daemon))
            time.sleep(_STARTED if options.everything else 0)
            spent(daemon, 100)
        turns = [[spent(daemon, options.messages) for daemon in daemons] for _ in range(options.rounds)]
    without, having = (sum(turn[place] for turn in turns) for place in (0, 1))
    total = options.messages * options.rounds / 1000
    ratios = [turn[1] / turn[0] for turn in turns]
    print(f"without history: {without / total:.3f} CPU s/1000 messages")
    print(f"with history:    {having / total:.3f} CPU s/1000 messages")
    print(
        f"ratio:           {having / without:.3f}; turns: {min(ratios):.3f} to {max(ratios):.3f}, "
        f"half within {statistics.median(ratios):.3f}"
    )
    return int(having / without > TARGET)


if __name__ == "__main__":
    sys.exit(main())
