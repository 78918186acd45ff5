"""Many sessions at once, and what they amount to: latencies, throughput, verdicts, errors.

Here belongs the counting; one session is `sender`'s. No claim is made about what is fast enough.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

import uvloop

from postmill.testing.outcome import SEVERITY, SessionReport, Status
from postmill.testing.plan import SessionPlan
from postmill.testing.sender import ErrorKind, Timeouts, Trace, run_session
from postmill.wire.endpoint import Endpoint


@dataclass(slots=True)
class LoadReport:
    """The sum of many sessions; `latencies` holds the seconds of each session without error."""

    sessions: int = 0
    messages: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    first_error: ErrorKind | Literal[""] = ""

    def add(self, report: SessionReport) -> None:
        """Count one more session."""
        self.sessions += 1
        self.messages += len(report.mails)
        if report.error:
            self.errors[report.error] += 1
            self.first_error = self.first_error or report.error_kind
        else:
            self.latencies.append(report.elapsed)
            self.statuses[report.status] += 1

    @property
    def status(self) -> Status:
        """The gravest status of all sessions."""
        if self.errors:
            return "error"
        return max(self.statuses, key=SEVERITY.index, default="accept")

    @property
    def throughput(self) -> float:
        """Sessions each second."""
        return self.sessions / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency (seconds) that this share of the sessions does not exceed, nearest rank; 0 for no
        sessions.
        """
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        rank = math.ceil(len(ordered) * share / 100)
        return ordered[max(rank, 1) - 1]


def numbered(plan: SessionPlan, number: int) -> SessionPlan:
    """The plan with queue ids of its own, so that a filter can tell the sessions apart."""
    mails = tuple(replace(mail, queue_id=mail.queue_id + b"%06X" % number) for mail in plan.mails)
    return replace(plan, mails=mails)


async def run_load(
    endpoint: Endpoint,
    plan: SessionPlan,
    sessions: int,
    concurrency: int,
    timeouts: Timeouts | None = None,
    on_done: Callable[[SessionReport], None] | None = None,
    total: LoadReport | None = None,
) -> LoadReport:
    """Carry out `sessions` sessions, `concurrency` of them at a time; counts in `total` if given."""
    total = LoadReport() if total is None else total
    numbers = count(1)

    async def worker() -> None:
        while (number := next(numbers)) <= sessions:
            report = await run_session(endpoint, numbered(plan, number), timeouts)
            total.add(report)
            if on_done is not None:
                on_done(report)

    begin = time.monotonic()
    try:
        await asyncio.gather(*(worker() for _ in range(max(1, min(concurrency, sessions)))))
    finally:
        total.seconds = time.monotonic() - begin
    return total


def send_session(
    endpoint: Endpoint, plan: SessionPlan, timeouts: Timeouts | None = None, trace: Trace | None = None
) -> SessionReport:
    """`run_session` for callers without an event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run_session(endpoint, plan, timeouts, trace))


def send_load(
    endpoint: Endpoint,
    plan: SessionPlan,
    sessions: int,
    concurrency: int,
    timeouts: Timeouts | None = None,
    on_done: Callable[[SessionReport], None] | None = None,
) -> LoadReport:
    """`run_load` for callers without an event loop; an interrupted run is reported as far as it came."""
    total = LoadReport()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_load(endpoint, plan, sessions, concurrency, timeouts, on_done, total))
    except KeyboardInterrupt:
        total.interrupted = True
    return total
