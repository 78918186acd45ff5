"""What a session costs inside Postmill, without sockets: `python -m bench.micro`.

Each part is run on the standard session in one process and compared with a system call pair, the unit that
the design counts in. Here: framing, the chain's brain driven with the answers of null milters, and counting
what its record says. Not here: anything with an event loop (`bench.run`).
"""

import argparse
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.generator import split
from bench.null_child import CONTINUE, PROFILES, Profile, Responder
from bench.transaction import OFFER, UNIX_BUFFER, Answer, standard
from postmill.chain.child import Child, ChildSpec
from postmill.chain.negotiation import Negotiations
from postmill.chain.session import Session
from postmill.chain.state import Plan
from postmill.chain.steps import Answered, Ask, Await, Decide, Outcome, Steps, Talk
from postmill.mail.body import Body
from postmill.record import MessageRecord, Recorder, Tally
from postmill.wire.framing import FrameReader

ROUNDS = 2000
NO_REPLY_CONTENT = 0x80 | 0x40000 | 0x80000


class Cost(NamedTuple):
    """Seconds of one part for each session."""

    name: str
    seconds: float


class Silence:
    """An observer that hears everything and keeps nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return self._ignore

    @staticmethod
    def _ignore(*_told: object) -> None:
        return None


class Driver:
    """The shell reduced to nothing: answers of the children come from `Responder`, at once."""

    def __init__(self, children: int, profile: Profile, new_observer: Callable[[], Any] = Silence) -> None:
        self._plan = Plan(tuple(ChildSpec(f"null{number}") for number in range(1, children + 1)))
        self._negotiations = Negotiations()
        self._responder = Responder(profile)
        self._new_observer = new_observer
        self._talks: dict[Child, Talk] = {}
        self.decided: list[bytes] = []

    def session(self, packets: Sequence[tuple[int, bytes]]) -> None:
        """Take one session of the MTA from its first packet to its last."""
        self.decided.clear()
        brain = Session(self._plan, self._negotiations, self._new_observer(), Body)
        for letter, payload in packets:
            steps = brain.packet(letter, payload)
            if steps is not None:
                self._drive(steps)

    def _drive(self, steps: Steps) -> None:
        outcome: Outcome | None = None
        while True:
            try:
                command = steps.send(outcome)
            except StopIteration:
                return
            outcome = None
            if isinstance(command, Ask):
                self._talks[command.child] = command.talk
            elif isinstance(command, Await):
                outcome = self._converse(self._talks.pop(command.child))
            elif isinstance(command, Decide):
                self.decided.append(command.data)

    def _converse(self, talk: Talk) -> Answered:
        data = talk.start()
        while talk.outcome is None:
            reply = self._responder.answer(data).reply
            count = len(reply) // 5
            if count <= talk.due and reply == CONTINUE * count:  # as `net` does
                data = talk.continued(count)
            else:
                data = b"".join([talk.receive(letter, payload) for letter, payload in _packets(reply)])
        return talk.outcome


@cache
def _packets(reply: bytes) -> list[tuple[int, bytes]]:
    return split(reply)[0]


def upstream() -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Return what the MTA writes to a manager that takes the content without answering; and its packets."""
    answer = Answer(6, NO_REPLY_CONTENT, {})
    mail = standard()
    plan = mail.plan([answer], UNIX_BUFFER)
    writes = [OFFER, mail.connect(answer)]
    writes += [data for exchange in plan.exchanges for data in exchange.writes]
    writes.append(plan.farewells[0])
    return writes, split(b"".join(writes))[0]


def timed(name: str, rounds: int, once: Callable[[], object]) -> Cost:
    """Return the CPU time of one call, the best of five runs."""
    once()
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds // 5):
            once()
        best = min(best, (time.process_time() - start) / (rounds // 5))
    return Cost(name, best)


def system_call(rounds: int) -> Cost:
    """Return the time of one small packet written to a socket and read from another."""
    here, there = socket.socketpair()
    with here, there:
        return timed(
            "a packet through a socket: send and recv", rounds, lambda: (here.send(CONTINUE), there.recv(64))
        )


def measure(rounds: int, profile: Profile) -> list[Cost]:
    """Return the cost of each part."""
    writes, packets = upstream()

    def cut_upstream() -> None:
        feed = FrameReader().feed
        for data in writes:
            feed(data)

    def cut_replies() -> None:
        feed = FrameReader().feed
        for _ in range(7):
            feed(CONTINUE)
        feed(CONTINUE * 15)

    costs = [
        system_call(rounds * 10),
        timed(f"framing: the {len(packets)} packets of the MTA", rounds, cut_upstream),
        timed("framing: the 22 replies of one milter", rounds, cut_replies),
    ]
    for children in (1, 3):
        once = partial(Driver(children, profile).session, packets)
        costs.append(timed(f"chain: a session, {children} milters", rounds, once))
    records: list[MessageRecord] = []
    recording = Driver(3, profile, lambda: Recorder("1", records.append, time.monotonic))
    recording.session(packets)
    tally = Tally()
    costs.append(
        timed(
            "counting: the record of a message, 3 milters",
            rounds,
            lambda: tally.add(records[0], 0.0),
        )
    )
    return costs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the costs and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--milter", choices=PROFILES, default="plain")
    chosen = parser.parse_args(arguments)
    costs = measure(chosen.rounds, PROFILES[chosen.milter])
    table = Table(title="Inside one session")
    table.add_column("part")
    for name in ("µs per session", "as packets through a socket"):
        table.add_column(name, justify="right")
    for name, seconds in costs:
        table.add_row(name, f"{seconds * 1e6:.1f}", f"{seconds / costs[0].seconds:.1f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
