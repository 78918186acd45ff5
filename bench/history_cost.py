"""`python -m bench.history_cost`: what a history costs each message, in CPU of Postmill; ``--everything``:
with dashboard, metrics and traces beside it, as they are by default; ``--every-trace``: of every message.

Two Postmills, with a history and without one, get the same mail at the same time, so that both find the
machine in the same mood: alone, one that is measured against its like differs by 5 %, so by half of one. Both
ask the same three milters, and have one worker. Counted is the CPU of all processes of Postmill, after what
waits to be written or sent was written and sent.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
from tests.tracing.receiver import Receiver, receiving

TARGET = 1.10
AT_ONCE = 10
_WRITTEN = 0.8
"""Seconds in which all that waits is written."""
_STARTED = 5.0
"""Seconds in which programs beside the daemon are up."""
_SENT = 8.0
"""Seconds in which all traces are sent: who sends them looks every five seconds."""
TAG = Script(rules=[Rule("E", (edit("add-header:X-Spam-Status:No, score=0.1"), reply("continue")))])


def spent(postmills: Sequence[Postmill], messages: int, rest: float) -> list[float]:
    """Send messages to each; return the seconds of CPU they cost, with ``rest`` seconds for what is left."""
    time.sleep(_WRITTEN)
    before = [sum(map(cpu_seconds, descendants(daemon.pid))) for daemon, _ in postmills]
    with ThreadPoolExecutor() as senders:
        reports = senders.map(
            lambda daemon: send_load(
                parse_endpoint(daemon.endpoint), SessionPlan(mails=(MAIL,)), messages, AT_ONCE
            ),
            [daemon for daemon, _ in postmills],
        )
        if errors := [report.errors for report in reports if report.errors]:
            raise SystemExit(f"errors: {errors}")
    time.sleep(rest)
    for _, traced in postmills:
        if traced is not None:
            traced.check(messages)
    return [
        sum(map(cpu_seconds, descendants(daemon.pid))) - earlier
        for (daemon, _), earlier in zip(postmills, before, strict=True)
    ]


class Traced:
    """A Postmill that sends traces, and the collector that takes them."""

    def __init__(self, daemon: Daemon, collector: Receiver, every: bool) -> None:
        self._collector = collector
        self._every = every
        self._messages = 0
        self.table: dict[str, Any] = {
            "endpoint": collector.url,
            "place": f"{daemon.directory}/tracing.place",
        } | ({"most": 0} if every else {})

    def check(self, messages: int) -> None:
        """Take note of what was sent; a trace of every message has to be there, if that is wanted."""
        self._messages += messages
        if self._every and len(self._collector.roots()) < self._messages:
            raise SystemExit(f"{self} messages")

    def __str__(self) -> str:
        return f"{len(self._collector.roots())} traces of {self._messages} messages"


Postmill = tuple[Daemon, Traced | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the status is 1 when the history costs more than the target."""
    parser = argparse.ArgumentParser(prog="python -m bench.history_cost", description=__doc__)
    parser.add_argument("--messages", type=int, default=1000, help="in each turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="turns (default: %(default)s)")
    parser.add_argument(
        "--everything", action="store_true", help="with traces, and with dashboard and metrics, unasked"
    )
    parser.add_argument("--every-trace", action="store_true", help="with a trace of every message")
    parser.add_argument("--json", action="store_true", help="with a log in JSON, which costs more by itself")
    options = parser.parse_args(arguments)
    rest = _SENT if options.everything or options.every_trace else _WRITTEN
    with ExitStack() as stack:
        children = [stack.enter_context(ScriptedChild(TAG if not place else Script())) for place in range(3)]
        milters = {f"milter{place}": {"socket": str(one.endpoint)} for place, one in enumerate(children)}
        postmills: list[Postmill] = []
        for has_history in (False, True):
            daemon, traced = Daemon(milters, workers=1), None
            if has_history:
                daemon.tables["history"] = {"url": f"sqlite:{daemon.directory}/history.db"}
            if has_history and options.everything:
                daemon.tables["web"] = {"listen": ["inet:0@127.0.0.1"]}
                daemon.tables["metrics"] = {"listen": "inet:0@127.0.0.1"}
            if has_history and (options.everything or options.every_trace):
                traced = Traced(daemon, stack.enter_context(receiving()), options.every_trace)
                daemon.tables["tracing"] = traced.table
            if options.json:
                daemon.log_settings = {"format": "json"}
            postmills.append((stack.enter_context(daemon), traced))
        time.sleep(_STARTED if options.everything or options.every_trace else 0)
        spent(postmills, 100, rest)
        turns = [spent(postmills, options.messages, rest) for _ in range(options.rounds)]
    without, having = (sum(turn[place] for turn in turns) for place in (0, 1))
    total = options.messages * options.rounds / 1000
    ratios = [turn[1] / turn[0] for turn in turns]
    if traced is not None:
        print(traced)
    print(f"without history: {without / total:.3f} CPU s/1000 messages")
    print(f"with history:    {having / total:.3f} CPU s/1000 messages")
    print(
        f"ratio:           {having / without:.3f}; turns: {min(ratios):.3f} to {max(ratios):.3f}, "
        f"half within {statistics.median(ratios):.3f}"
    )
    return int(having / without > TARGET)


if __name__ == "__main__":
    sys.exit(main())
