"""One session through the whole chain without sockets: a fake MTA's plan against children from scripts.

The MTA side is ``conversation``, the children and the brain are ``playbook``; here they are put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postmill.api.ports import NO_PORTS, Ports
from postmill.chain.state import Plan
from postmill.errors import ProtocolError
from postmill.record import MessageRecord
from postmill.testing.conversation import Conversation, Say
from postmill.testing.outcome import Outcome, SessionReport
from postmill.testing.plan import SessionPlan
from postmill.testing.playbook import Playbook
from postmill.testing.script import Script
from postmill.wire.codes import Command
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, decode_reply, encode


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the MTA saw, and the record of each message."""

    report: SessionReport
    records: tuple[MessageRecord, ...]


def rehearse(
    plan: Plan, session: SessionPlan, scripts: Mapping[str, Script], ports: Ports = NO_PORTS
) -> Rehearsal:
    """Play one session; children without a script say continue to everything."""
    book = Playbook(plan, scripts, ports)
    offer = session.offer
    book.hear(Command.OPTNEG, encode(OptNeg(offer.version, offer.actions, offer.protocol))[5:])
    answer = decode_reply(*book.answers.pop())
    assert isinstance(answer, OptNeg)
    conversation = Conversation(session, answer)
    talk = conversation.run()
    outcome: Outcome | None = None
    while True:
        try:
            say = talk.send(outcome)
        except StopIteration:
            break
        outcome = _exchange(book, conversation, say)
    if not conversation.cut:
        book.run(book.session.hangup())
    return Rehearsal(conversation.report, tuple(book.records))


def _exchange(book: Playbook, conversation: Conversation, say: Say) -> Outcome | None:
    book.answers = []
    for letter, payload in FrameReader().feed(say.data):
        book.hear(letter, payload)
    if not say.reply:
        return None
    collector = conversation.collector(say.command)
    for letter, payload in book.answers:
        outcome = collector.take(letter, payload)
        if outcome is not None:
            return outcome
    raise ProtocolError(f"the chain left {Command(say.command).name} without an answer")
