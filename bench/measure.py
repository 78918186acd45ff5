"""What is measured: one load on one setup gives one row; memory of idle sessions and over many sessions.

Not here: which cases there are (`bench.run`) and how they are shown (`bench.report`).
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.generator import Generator, Outcome
from bench.processes import Milter
from bench.transaction import Transaction

SETTLE_SESSIONS = 20
"""Sessions before memory is first looked at, so that what is loaded only once is loaded."""
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Case:
    """One line of the matrix."""

    path: str
    children: int
    sockets: str
    concurrency: int


@dataclass(frozen=True)
class Row:
    """The figures of one case. Latencies in milliseconds; CPU in seconds for each 1,000 sessions."""

    case: Case
    sessions: int
    per_second: float
    p50: float
    p99: float
    cpu: float | None
    children_cpu: float
    generator_cpu: float
    errors: dict[str, int]
    retries: int

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Memory:
    """Bytes of Postmill for one open session, by the event after which the session fell idle."""

    sockets: str
    children: int
    sessions: int
    after: str
    per_session: float
    connected: int


@dataclass(frozen=True)
class Growth:
    """Bytes of Postmill after so many sessions, from the first sample on."""

    sockets: str
    children: int
    samples: tuple[tuple[int, int], ...]

    @property
    def bytes(self) -> int:
        """Return the growth over the second half; the first one fills caches and the allocator's arenas."""
        return self.samples[-1][1] - self.samples[len(self.samples) // 2 - 1][1]

    @property
    def over(self) -> int:
        """Return the number of sessions in the second half."""
        return self.samples[-1][0] - self.samples[len(self.samples) // 2 - 1][0]


def best(rounds: Sequence[Row]) -> Row:
    """Return the round that others on the machine disturbed least, with the errors and sessions of all."""
    least = min(rounds, key=lambda row: (row.cpu or 0.0, row.p50))
    errors: Counter[str] = Counter()
    for row in rounds:
        errors.update(row.errors)
    return replace(least, errors=dict(errors), sessions=sum(row.sessions for row in rounds))


def load(
    case: Case, mail: Transaction, sessions: int, children: Sequence[Milter], manager: Milter | None
) -> Row:
    """Run the sessions of one case, through `manager` or straight, and take down what they cost whom."""
    targets = [manager.target] if manager else [child.target for child in children]
    children_before = sum(child.watched.cpu() for child in children)
    before = manager.watched.cpu() if manager else 0.0
    outcome = Generator(mail, targets, concurrency=case.concurrency, sessions=sessions).run()
    used = manager.watched.cpu() - before if manager else None
    children_used = sum(child.watched.cpu() for child in children) - children_before
    return _row(case, sessions, outcome, used, children_used)


def _row(case: Case, sessions: int, outcome: Outcome, used: float | None, children_used: float) -> Row:
    done = len(outcome.latencies)
    scale = 1000 / max(1, done)
    return Row(
        case=case,
        sessions=sessions,
        per_second=done / outcome.elapsed,
        p50=outcome.percentile(50) * 1000,
        p99=outcome.percentile(99) * 1000,
        cpu=None if used is None else used * scale,
        children_cpu=children_used * scale,
        generator_cpu=outcome.cpu * scale,
        errors=dict(outcome.errors),
        retries=outcome.retries,
    )


def idle_memory(
    sockets: str, mail: Transaction, manager: Milter, children: Sequence[Milter], sessions: int, after: str
) -> Memory:
    """Open sessions, take them to the event `after`, leave them, and see what they hold.

    `manager` must be fresh: what an earlier crowd has left in its heap would hide what this one takes.
    """
    Generator(mail, [manager.target], concurrency=1, sessions=SETTLE_SESSIONS).run()
    _wait_until_alone(children)
    before = manager.watched.memory()
    crowd = Generator(mail, [manager.target], concurrency=100, sessions=sessions, park=after)
    outcome = crowd.run()
    if outcome.errors:
        raise RuntimeError(f"idle sessions could not be opened: {dict(outcome.errors)}")
    used = manager.watched.memory() - before
    connected = _connections(children)
    crowd.release()
    return Memory(sockets, len(children), sessions, after, used / sessions, connected)


def _connections(children: Sequence[Milter]) -> int:
    return sum(child.watched.sockets() - 1 for child in children)  # all but the listening socket


def _wait_until_alone(children: Sequence[Milter]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while _connections(children) and time.monotonic() < deadline:
        time.sleep(0.01)


def growth(
    sockets: str, mail: Transaction, manager: Milter, children: int, sessions: int, samples: int = 8
) -> Growth:
    """Run sessions, 50 at a time, and look at the memory after each part of them."""
    seen, part = [], sessions // samples
    for number in range(1, samples + 1):
        Generator(mail, [manager.target], concurrency=50, sessions=part).run()
        seen.append((number * part, manager.watched.memory()))
    return Growth(sockets, children, tuple(seen))
