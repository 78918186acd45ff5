"""A crowd of MTAs in one process: epoll, one state machine for each SMTP session, bytes built beforehand.

Each session connects to one milter or, "straight", to several in turn as Postfix does (protocol §9.2), goes
through the plan of `bench.transaction`, and is followed at once by the next until enough have been. Latency
is the time from before the connection until the last milter's verdict on the message. Every answer is
checked; what is not in order is counted under the name of what went wrong. Not here: what to measure and how
to print it (`bench.run`).
"""

import contextlib
import gc
import resource
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import NamedTuple

from bench.transaction import (
    INET_BUFFER,
    OFFER,
    UNIX_BUFFER,
    Answer,
    Exchange,
    Plan,
    Transaction,
    packet,
)

CONTINUE = packet("c")
EDITS = frozenset(b"himb+2-e")
READ = 1 << 14
QUEUE_IDS = 32
"""So many different sessions take turns, lest a manager gain by remembering the last one."""
STALL = 30.0
"""Seconds without any event after which the sessions under way are given up."""


class Target(NamedTuple):
    """Where a milter listens."""

    family: socket.AddressFamily
    address: str | tuple[str, int]

    @classmethod
    def parse(cls, endpoint: str) -> "Target":
        """Read `unix:PATH` or `inet:PORT@HOST`."""
        kind, _, rest = endpoint.partition(":")
        if kind == "unix":
            return cls(socket.AF_UNIX, rest)
        port, _, host = rest.partition("@")
        return cls(socket.AF_INET, (host, int(port)))


@dataclass
class Outcome:
    """What a run of sessions came to; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    edits: int = 0
    retries: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0

    def percentile(self, percent: float) -> float:
        """Return the latency that this percentage of the sessions did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class MilterError(Exception):
    """A milter did what it may not do; the text is the name it is counted under."""


class Planner:
    """Keeps what follows from each answer seen, so that no session has to work it out again."""

    def __init__(self, transaction: Transaction, buffer: int) -> None:
        self._transaction = transaction
        self._buffer = buffer
        self._answers: dict[bytes, Answer] = {}
        self._connects: dict[tuple[int, int], Exchange | None] = {}
        self._plans: dict[tuple[int, ...], Iterator[Plan]] = {}

    def answer(self, data: bytes) -> Answer:
        """Return the meaning of the data of an `O` packet, the same object for the same bytes."""
        if data not in self._answers:
            try:
                self._answers[data] = Answer.parse(data)
            except ValueError as error:
                raise MilterError(str(error)) from error
        return self._answers[data]

    def connect(self, child: int, answer: Answer) -> Exchange | None:
        """Return the exchange of CONNECT, or None when the milter does not answer it."""
        key = child, id(answer)
        if key not in self._connects:
            data = self._transaction.connect(answer)
            self._connects[key] = Exchange(child, "C", (data,)) if answer.awaits("C") else None
        return self._connects[key]

    def plan(self, answers: Sequence[Answer]) -> Plan:
        """Return the rest of the session, each time with the next one of some queue ids."""
        key = tuple(id(answer) for answer in answers)
        if key not in self._plans:
            queue_ids = (b"CF15E23E%03X" % number for number in range(QUEUE_IDS))
            mails = [replace(self._transaction, queue_id=queue_id) for queue_id in queue_ids]
            self._plans[key] = cycle([mail.plan(answers, self._buffer) for mail in mails])
        return next(self._plans[key])


class Session:
    """One SMTP session under way: its sockets, and how far it has come."""

    __slots__ = ("answers", "began", "children", "out", "partial", "plan", "position", "unsent", "waiting")

    def __init__(self) -> None:
        self.children: list[socket.socket] = []
        self.answers: list[Answer] = []
        self.plan: Plan | None = None
        self.position = 0
        self.waiting: Exchange | None = None
        self.out: set[int] = set()
        self.partial = b""
        self.unsent: dict[int, bytes] = {}
        self.began = time.perf_counter()


class Generator:
    """Runs `sessions` sessions, `concurrency` of them at a time.

    With `park` the sessions stop after the exchange of that letter (C, H, … E) and stay open until `release`.
    """

    def __init__(
        self,
        transaction: Transaction,
        targets: Sequence[Target],
        *,
        concurrency: int,
        sessions: int,
        park: str = "",
    ) -> None:
        buffer = UNIX_BUFFER if targets[0].family == socket.AF_UNIX else INET_BUFFER
        self._planner = Planner(transaction, buffer)
        self._targets = targets
        self._concurrency = concurrency
        self._left = sessions
        self._park = park
        self.parked: list[Session] = []
        self._epoll = select.epoll()
        self._owners: dict[int, tuple[Session, int]] = {}
        self._refused: list[Session] = []
        self._live = 0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Run until the last session has ended or is parked."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        gc.collect()
        gc.disable()
        try:
            self._run()
        finally:
            gc.enable()
        return self.outcome

    def _run(self) -> None:
        cpu, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        while self._live or self._left:
            while self._left and self._live < self._concurrency:
                self._begin()
            if self._live:
                self._turn()
        self.outcome.elapsed = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        self.outcome.cpu = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime

    def release(self) -> None:
        """Close the parked sessions."""
        for session in self.parked:
            self._close(session)
        self.parked.clear()

    def _turn(self) -> None:
        if self._refused:
            again, self._refused = self._refused, []
            for session in again:
                self._handle(session, 0, 0)
        events = self._epoll.poll(0.001 if self._refused else STALL)
        if not events and not self._refused:
            self._give_up()
        for fd, mask in events:
            owner = self._owners.get(fd)
            if owner is not None:
                self._handle(owner[0], owner[1], mask)

    def _handle(self, session: Session, child: int, mask: int) -> None:
        """Take one readiness event of one session; open its next connection when `mask` is 0."""
        try:
            if mask:
                self._ready(session, child, mask)
            else:
                self._open(session)
        except MilterError as fault:
            self._fail(session, str(fault))
        except OSError as error:
            self._fail(session, type(error).__name__)

    def _begin(self) -> None:
        self._left -= 1
        self._live += 1
        self._handle(Session(), 0, 0)

    def _open(self, session: Session) -> None:
        child = len(session.children)
        family, address = self._targets[child]
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(address)
        except BlockingIOError:
            if family == socket.AF_UNIX:  # full queue: Postfix would wait, we come back
                connection.close()
                self.outcome.retries += 1
                self._refused.append(session)
                return
        except OSError:
            connection.close()
            raise
        session.children.append(connection)
        fd = connection.fileno()
        self._owners[fd] = session, child
        self._epoll.register(fd, select.EPOLLIN)
        self._perform(session, Exchange(child, "O", (OFFER,)))

    def _perform(self, session: Session, exchange: Exchange) -> None:
        session.waiting = exchange
        connection = session.children[exchange.child]
        for position, data in enumerate(exchange.writes):
            try:
                sent = connection.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                rest = data[sent:] + b"".join(exchange.writes[position + 1 :])
                session.unsent[connection.fileno()] = rest
                self._epoll.modify(connection.fileno(), select.EPOLLIN | select.EPOLLOUT)
                return

    def _ready(self, session: Session, child: int, mask: int) -> None:
        connection = session.children[child]
        if mask & select.EPOLLOUT and session.unsent:
            self._send_rest(session, connection)
        if not mask & ~select.EPOLLOUT:
            return
        try:
            data = connection.recv(READ)
        except BlockingIOError:
            return
        waiting = session.waiting
        if waiting is None or waiting.child != child:
            raise MilterError("closed while idle" if not data else "unsolicited packet")
        if data == CONTINUE and not session.partial and waiting.letter != "O":
            self._next(session)
        elif data:
            self._slow(session, data)
        else:
            raise MilterError(f"closed instead of answering {waiting.letter}")

    def _send_rest(self, session: Session, connection: socket.socket) -> None:
        fd = connection.fileno()
        rest = session.unsent.pop(fd, b"")
        with contextlib.suppress(BlockingIOError):
            rest = rest[connection.send(rest) :]
        if rest:
            session.unsent[fd] = rest
        else:
            self._epoll.modify(fd, select.EPOLLIN)

    def _slow(self, session: Session, data: bytes) -> None:
        """Take in anything but a lone `continue`: negotiation, edits, other verdicts, packets in pieces."""
        packets, session.partial = split(session.partial + data)
        for position, (code, payload) in enumerate(packets):
            if self._is_verdict(session, code):
                if position + 1 < len(packets) or session.partial:
                    raise MilterError("surplus packet")
                self._verdict(session, code, payload)

    def _is_verdict(self, session: Session, code: int) -> bool:
        assert session.waiting is not None
        if code == 0x70:
            return False
        if session.waiting.letter == "E" and (code in EDITS or code == 0x71):
            self.outcome.edits += 1
            return False
        return True

    def _verdict(self, session: Session, code: int, payload: bytes) -> None:
        assert session.waiting is not None
        _, letter, _ = session.waiting
        if letter == "O":
            if code != 0x4F:
                raise MilterError(f"{chr(code)!r} instead of a negotiation answer")
            self._negotiated(session, payload)
        elif code == 0x63:
            self._next(session)
        elif code == 0x73:
            self._next(session, skip=letter)
        elif code == 0x61:
            session.out.add(session.waiting.child)
            self._next(session)
        else:
            raise MilterError(f"{chr(code)!r} in answer to {letter}")

    def _negotiated(self, session: Session, payload: bytes) -> None:
        answer = self._planner.answer(payload)
        session.answers.append(answer)
        exchange = self._planner.connect(len(session.answers) - 1, answer)
        if exchange is None:
            self._connected(session)
        else:
            self._perform(session, exchange)

    def _connected(self, session: Session) -> None:
        if len(session.children) < len(self._targets):
            self._open(session)
        else:
            session.plan = self._planner.plan(session.answers)
            self._follow(session, "")

    def _next(self, session: Session, skip: str = "") -> None:
        assert session.waiting is not None
        letter = session.waiting.letter
        if self._park == letter and self._is_last(session, letter):
            self._rest(session)
        elif session.plan is None:
            self._connected(session)
        else:
            session.position += 1
            self._follow(session, skip)

    def _is_last(self, session: Session, letter: str) -> bool:
        """Tell whether no exchange of this letter is still to come, with any milter."""
        if session.plan is None:
            return len(session.children) == len(self._targets)
        return all(exchange.letter != letter for exchange in session.plan.exchanges[session.position + 1 :])

    def _follow(self, session: Session, skip: str) -> None:
        """Perform the next exchange that is still due, or end the session."""
        assert session.plan is not None
        exchanges, before = session.plan.exchanges, session.waiting
        while session.position < len(exchanges):
            exchange = exchanges[session.position]
            skipped = (
                skip and before is not None and (exchange.child, exchange.letter) == (before.child, skip)
            )
            if not skipped and exchange.child not in session.out:
                self._perform(session, exchange)
                return
            session.position += 1
        self._finish(session)

    def _finish(self, session: Session) -> None:
        self.outcome.latencies.append(time.perf_counter() - session.began)
        assert session.plan is not None
        for connection, farewell in zip(session.children, session.plan.farewells, strict=True):
            connection.send(farewell)
        self._close(session)
        self._ended()

    def _rest(self, session: Session) -> None:
        self.outcome.latencies.append(time.perf_counter() - session.began)
        session.waiting = None
        self.parked.append(session)
        self._ended()

    def _fail(self, session: Session, reason: str) -> None:
        self.outcome.errors[reason] += 1
        self._close(session)
        if session in self.parked:
            self.parked.remove(session)
        else:
            self._ended()

    def _ended(self) -> None:
        self._live -= 1

    def _close(self, session: Session) -> None:
        for connection in session.children:
            self._owners.pop(connection.fileno(), None)
            connection.close()

    def _give_up(self) -> None:
        under_way = {
            id(session): session for session, _ in self._owners.values() if session not in self.parked
        }
        self._left = 0
        for session in under_way.values():
            letter = session.waiting.letter if session.waiting else "nothing"
            self._fail(session, f"no answer to {letter} in {STALL:.0f} s")


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the whole packets in `data` as (code, data), and the bytes after them."""
    packets, start = [], 0
    while len(data) - start >= 5:
        end = start + 4 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            break
        packets.append((data[start + 4], data[start + 5 : end]))
        start = end
    return packets, data[start:]


def percentiles(outcome: Outcome) -> Iterator[float]:
    """Yield p50 and p99 in milliseconds."""
    for percent in (50, 99):
        yield outcome.percentile(percent) * 1000
