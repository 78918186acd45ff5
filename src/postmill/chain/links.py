"""Bringing a child to where it must be before it can be asked (protocol §2.3, §6.8, §9.9).

Connect and negotiate; tell it again CONNECT, HELO, MAIL and RCPT when it has a new link, or when the
message was cut short on its link although the MTA goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postmill.chain.child import TAKING_PART, Child
from postmill.chain.event import Event
from postmill.chain.judgement import ABORT, QUIT, judge, lose, sticky_at
from postmill.chain.state import State
from postmill.chain.steps import Ask, Await, Cancel, Chain, CloseChild, Lost, Verdict
from postmill.chain.talks import EventTalk, NegotiateTalk
from postmill.wire.codes import Command
from postmill.wire.packets import OptNeg

_CONNECT, _MAIL, _UNKNOWN = int(Command.CONNECT), int(Command.MAIL), int(Command.UNKNOWN)
_IN_MESSAGE = frozenset((Command.RCPT, Command.DATA, Command.HEADER))
"""Events that presuppose MAIL; HEADER stands for the whole content."""


def greet(state: State, child: Child, first: Event | None = None) -> NegotiateTalk:
    """Return the conversation that opens a link; ``first`` is an event to be told in the same breath."""
    assert state.offer is not None
    timeout = child.spec.command_timeout
    if first is None or child.terms is None or child.spec.pool or not child.spec.pipeline:
        return NegotiateTalk(state.offer, state.negotiations, timeout)
    if first.letter in child.terms.suppressed or first.letter in child.terms.no_reply:
        return NegotiateTalk(state.offer, state.negotiations, timeout)  # nothing that will be answered
    mark(child, first.letter)
    data = prepare(child, first)
    then = None if data is None else EventTalk(first.letter, data, timeout, state.check_text)
    return NegotiateTalk(state.offer, state.negotiations, timeout, child.terms.answer, then)


def greeted(state: State, child: Child, talk: NegotiateTalk) -> Chain[None]:
    """Take in the outcome of ``greet``: the child takes part from now on, or is lost."""
    outcome = yield Await(child)
    child.asked = False
    if not isinstance(outcome, Lost):
        assert talk.answer is not None
        state.negotiations.learn(child.name, talk.offer, talk.answer)
        if _fits(state, child, talk.answer):
            child.open = True
            return
        outcome = Lost("config", "negotiated something that cannot be had in this session any more")
        yield CloseChild(child)
    state.observer.answered(child.name, Command.OPTNEG, outcome, child.spec.evaluate)
    lose(state, child, outcome)


def _fits(state: State, child: Child, answer: OptNeg) -> bool:
    """Tell whether a child can take part with this answer; a new one gives it new terms."""
    agreement = state.agreement
    if agreement is None or (child.terms is not None and child.terms.answer is answer):
        return True
    if not agreement.covers(answer):
        return False
    child.terms = agreement.terms(child.spec, answer)
    return True


def settle(state: State, answers: Mapping[str, OptNeg]) -> None:
    """Give every child that answered its terms."""
    assert state.agreement is not None
    for child in state.children:
        answer = answers.get(child.name)
        if answer is not None:
            child.terms = state.agreement.terms(child.spec, answer)


def prepare(child: Child, event: Event) -> bytes | None:
    """Return what to write for an event that wants a reply, or None when nothing is to be asked.

    What needs no reply is kept for the next write, as Postfix does (protocol §1.3, §5.4).
    """
    terms = child.terms
    assert terms is not None
    letter = event.letter
    if letter in terms.too_new:
        return None
    if letter in terms.suppressed:
        child.backlog.append(event.macro_packet(terms, child.given))
        return None
    if child.skip:
        if child.skip == letter:
            return None
        child.skip = 0
    data = event.packets(terms, child.given)
    if letter in terms.no_reply:
        child.backlog.append(data)
        return None
    if child.backlog:
        data = b"".join((*child.backlog, data))
        child.backlog.clear()
    child.reusable = letter == _UNKNOWN
    return data


def mark(child: Child, letter: int) -> None:
    """Remember how far a child has been told."""
    if letter == _MAIL:
        child.in_message = True
    elif letter == _CONNECT:
        child.greeted = True


def question(state: State, child: Child, event: Event) -> Ask | None:
    """Return what puts an event to a child, or None when nothing is to be asked."""
    mark(child, event.letter)
    data = prepare(child, event)
    if data is None:
        return None
    child.asked = True
    return Ask(child, EventTalk(event.letter, data, child.spec.command_timeout, state.check_text))


def tell(state: State, child: Child, event: Event) -> Chain[Verdict | None]:
    """Ask one child about one event and take in what it says."""
    ask = question(state, child, event)
    if ask is None:
        return None
    yield ask
    outcome = yield Await(child)
    assert outcome is not None
    judging = judge(state, child, event.letter, outcome)
    return None if judging is None else (yield from judging)


def catch_up(state: State, child: Child, event: Event | None) -> Chain[Verdict | None]:
    """Tell a child what comes before ``event`` (None: before the content) and was not told it yet."""
    letter = event.letter if event is not None else Command.HEADER
    if not child.open:
        talk = greet(state, child)
        yield Ask(child, talk)
        yield from greeted(state, child, talk)
        if not child.open:
            return sticky_at(child, letter)
    late = () if state.message is None else state.message.rcpts[: child.late]
    for earlier in _missing(state, child, letter):
        verdict = yield from tell(state, child, earlier)
        if earlier.letter == Command.RCPT and child.state == TAKING_PART:
            if verdict is not None and earlier in late:
                child.late_refusal = verdict  # the client was told that this recipient is welcome
            continue  # it may refuse again what it refused before; who stays was settled then
        if verdict is not None or child.state != TAKING_PART:
            return verdict
    child.in_message = child.in_message or letter in _IN_MESSAGE
    return None


def _missing(state: State, child: Child, letter: int) -> list[Event]:
    """Return the events this child should know and does not, oldest first."""
    missing: list[Event] = []
    if not child.greeted and letter != Command.CONNECT:
        missing += [state.connect] if state.connect is not None else []
        missing += [state.helo] if state.helo is not None and letter != Command.HELO else []
    message = state.message
    if message is not None and letter in _IN_MESSAGE and not child.in_message:
        missing += [message.mail] if message.mail is not None else []
        missing += [rcpt for rcpt in message.rcpts if _is_for(child, rcpt)]
        if letter == Command.HEADER and message.data is not None and child.index <= message.data.reached:
            missing.append(message.data)
    return missing


def _is_for(child: Child, rcpt: Event) -> bool:
    """Tell whether a child hears of a recipient; one that comes late, of those only that are left."""
    return child.index <= rcpt.reached and wants(child, rcpt) and not (rcpt.refused and child.late)


def wants(child: Child, event: Event) -> bool:
    """Tell whether an event is for this child: recipients the MTA refuses only if it asked for them."""
    return not event.rejected or (child.terms is not None and child.terms.rcpt_rej)


def behind(child: Child, event: Event) -> bool:
    """Tell whether a child has something to catch up on before this event."""
    if not child.open or (not child.greeted and event.letter != _CONNECT):
        return True
    return not child.in_message and event.letter in _IN_MESSAGE


def behind_content(state: State, child: Child) -> bool:
    """Tell whether a child has something to catch up on before it is shown the message."""
    told_mail = child.in_message or state.message is None or state.message.mail is None
    return not (child.open and child.greeted and told_mail)


def call_off(children: Sequence[Child]) -> Chain[None]:
    """Take back questions that need not have been put (protocol §9.2).

    The links are given up, so that whatever a child makes of such a question, even breaking at it, has no
    consequence. One that is lost already stays lost: whoever asks it next will find out.
    """
    for child in children:
        child.asked = False
        yield Cancel(child)
        if not child.broken:
            yield CloseChild(child, ABORT + QUIT if child.in_message else QUIT)
            child.forget_link()
        child.forget_message()
