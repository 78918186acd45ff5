"""The whole chain without sockets: children are played from scripts, in memory and without time.

A child answers as soon as it is written to; its answers are handed to the conversation only when the session
awaits it, so a question that is called off leaves them behind to be swallowed, as on a real link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from postmill.api.ports import NO_PORTS, Ports
from postmill.chain.child import Child
from postmill.chain.negotiation import Negotiations
from postmill.chain.session import Session
from postmill.chain.state import Plan
from postmill.chain.steps import (
    Ask,
    Await,
    Cancel,
    CloseChild,
    Decide,
    Lost,
    Outcome,
    Settle,
    Steps,
    Talk,
    Tell,
)
from postmill.errors import RemoteConfigError, RemoteProtocolError
from postmill.mail.body import Body
from postmill.record import MessageRecord, Recorder
from postmill.testing.script import Close, Counter, Default, Delay, Script, Send, StopAnswering, default_steps
from postmill.wire.codes import Command
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, encode
from postmill.wire.tables import VERDICTS

OFFER = OptNeg(6, 0x1FF, 0x1FFFFF)
_VERDICTS = frozenset(map(int, VERDICTS))


@dataclass
class Link:
    """One connection to a scripted child."""

    book: Playbook
    script: Script
    counter: Counter
    seen: list[tuple[str, bytes]]
    reader: FrameReader = field(default_factory=FrameReader)
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    end: str = ""
    """Why nothing more comes: closed or timeout."""
    talk: Talk | None = None
    owed: int = 0

    def write(self, data: bytes) -> None:
        """Let the child see and answer."""
        for letter, payload in self.reader.feed(data):
            self.seen.append((chr(letter), payload))
            # scripts count the session's messages: in which of them a child is asked may differ
            event = replace(self.counter.event(letter, payload), message=self.book.messages)
            default = default_steps(event)
            if letter == Command.OPTNEG:
                default, self.counter.protocol = self.script.negotiate.answer(payload)
            for step in self.script.steps_for(event):
                for one in default if isinstance(step, Default) else (step,):
                    self._do(one)

    def _do(self, step: object) -> None:
        if self.end:
            return
        if isinstance(step, Send):
            self.replies += FrameReader().feed(step.data)
        elif isinstance(step, Close):
            self.end = "closed"
        elif isinstance(step, StopAnswering):
            self.end = "timeout"
        elif not isinstance(step, Delay):
            raise NotImplementedError(step)

    def converse(self) -> Outcome:
        """Hand the replies to the conversation until it has an outcome."""
        talk = self.talk
        assert talk is not None
        self.talk = None
        while talk.outcome is None:
            if not self.replies:
                return self._lost(talk, self.end or "timeout", "")
            letter, payload = self.replies.pop(0)
            if self.owed:
                self.owed -= letter in _VERDICTS
                continue
            try:
                self.write(talk.receive(letter, payload))
            except RemoteConfigError as error:
                return self._lost(talk, "config", str(error))
            except RemoteProtocolError as error:
                return self._lost(talk, "protocol", str(error))
        self.owed = talk.due
        return talk.outcome

    def _lost(self, talk: Talk, kind: str, text: str) -> Lost:
        self.end = self.end or "closed"
        self.replies.clear()
        lost = Lost(kind, text)
        lost.edits = talk.lost_edits()
        return lost


async def _results(command: Settle) -> list[object]:
    return list(await asyncio.gather(*command.jobs, return_exceptions=True))


class Playbook:
    """Plays one MTA connection: ``say`` a packet, look at ``answers``."""

    def __init__(self, plan: Plan, scripts: Mapping[str, Script], ports: Ports = NO_PORTS) -> None:
        """Play the children of ``plan`` by their names; one without a script says continue to everything."""
        self.plan = plan
        self.scripts = {spec.name: scripts.get(spec.name, Script()) for spec in plan.children}
        self.ports = ports
        self.negotiations = Negotiations()
        self.seen: dict[str, list[list[tuple[str, bytes]]]] = {spec.name: [] for spec in plan.children}
        """For each child the packets of each of its connections."""
        self.records: list[MessageRecord] = []
        self.down: set[str] = set()
        """Children that cannot be connected to."""
        self.answers: list[tuple[int, bytes]] = []
        self.messages = 0
        self.session = self._new_session()

    def _new_session(self) -> Session:
        order = [spec.name for spec in self.plan.children]
        recorder = Recorder("s", self.records.append, lambda: 0.0, order)
        return Session(self.plan, self.negotiations, recorder, Body, self.ports)

    def reconnect(self) -> None:
        """Begin another session with the same memory of negotiations."""
        self.messages = 0
        self.session = self._new_session()

    def say(
        self, letter: str, payload: bytes = b"", macros: dict[bytes, bytes] | None = None
    ) -> list[tuple[str, bytes]]:
        """Take one packet of the MTA, its macros before it, and return what the MTA is told."""
        self.answers = []
        self.messages += letter == "M"
        if macros is not None:
            pairs = b"".join(name + b"\0" + value + b"\0" for name, value in macros.items())
            self.hear(ord("D"), letter.encode() + pairs)
        self.hear(ord(letter), payload)
        return [(chr(code), data) for code, data in self.answers]

    def hear(self, letter: int, payload: bytes) -> None:
        """Take one packet of the MTA as it is; what the MTA is told is added to ``answers``."""
        steps = self.session.packet(letter, payload)
        if steps is not None:
            self.run(steps)

    def run(self, steps: Steps) -> None:
        """Carry out steps to their end."""
        outcome: Outcome | None = None
        while True:
            try:
                command = steps.send(outcome)
            except StopIteration:
                return
            outcome = self._carry_out(command)

    def _carry_out(self, command: object) -> Outcome | None:
        if isinstance(command, Ask):
            self._ask(command)
        elif isinstance(command, Await):
            link = command.child.link
            return link.converse() if isinstance(link, Link) else Lost("connect", "refused")
        elif isinstance(command, Cancel):
            link = command.child.link
            if isinstance(link, Link) and link.talk is not None:
                link.owed += link.talk.due
                link.talk = None
        elif isinstance(command, Tell):
            self._write(command.child, command.data)
        elif isinstance(command, CloseChild):
            self._write(command.child, command.farewell)
            command.child.link = None
        elif isinstance(command, Settle):
            command.results = asyncio.run(_results(command))
        elif isinstance(command, Decide):
            self.answers += FrameReader().feed(command.data)
        return None

    def _ask(self, command: Ask) -> None:
        link = self._link(command.child)
        if link is not None:
            link.talk = command.talk
            if not link.end:
                link.write(command.talk.start())

    def _write(self, child: Child, data: bytes) -> None:
        link = child.link
        if isinstance(link, Link) and not link.end:
            link.write(data)

    def _link(self, child: Child) -> Link | None:
        if child.link is None and child.name not in self.down:
            seen: list[tuple[str, bytes]] = []
            self.seen[child.name].append(seen)
            child.link = Link(self, self.scripts[child.name], Counter(len(self.seen[child.name])), seen)
        return child.link if isinstance(child.link, Link) else None

    # -- whole pieces of a session --------------------------------------------------------------------

    def open(self, macros: dict[bytes, bytes] | None = None) -> list[tuple[str, bytes]]:
        """Negotiate, connect, greet; return the answer to HELO."""
        self.say("O", encode(OFFER)[5:])
        self.say("C", b"client.example\x004\x12\x34192.0.2.1\0", macros or {b"v": b"Postfix 3.7.11"})
        return self.say("H", b"client.example\0")

    def envelope(self, *recipients: bytes) -> list[list[tuple[str, bytes]]]:
        """MAIL, RCPT …, DATA; return the answers."""
        answers = [self.say("M", b"<a@example.com>\0")]
        answers += [self.say("R", to + b"\0") for to in recipients or (b"<b@example.org>",)]
        return [*answers, self.say("T")]

    def content(
        self, headers: Sequence[tuple[bytes, bytes]] = ((b"Subject", b"x"),), body: bytes = b"hello\r\n"
    ) -> list[tuple[str, bytes]]:
        """Headers, body, end of message; return the answer to the last."""
        for name, value in headers:
            self.say("L", name + b"\0" + value + b"\0")
        self.say("N")
        if body:
            self.say("B", body)
        return self.say("E")

    def letters(self, child: str, connection: int = -1) -> str:
        """Return the letters a child saw on one of its connections, macros left out."""
        return "".join(letter for letter, _ in self.seen[child][connection] if letter != "D")
