"""What one child's outcome means for the chain (protocol §9.2, §9.3, §9.8).

Every judgement is the verdict that ends the event for the whole chain, or None: go on with the next
child. "Accept" of a child only takes this child out, and so does a lost child with ``on_error = accept``.
"""

from __future__ import annotations

from postmill.chain.child import OUT_OF_CONNECTION, OUT_OF_MESSAGE, STICKY, Child
from postmill.chain.failure import sticky_verdict
from postmill.chain.state import State
from postmill.chain.steps import Answered, Chain, CloseChild, Lost, Outcome, Verdict
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import frame

QUIT = frame(Command.QUIT)
ABORT = frame(Command.ABORT)
_CONNECTION_EVENTS = (Command.CONNECT, Command.HELO)
REFUSALS = frozenset((Reply.REJECT, Reply.TEMPFAIL, Reply.REPLYCODE, Reply.SHUTDOWN))
_CONTINUE = int(Reply.CONTINUE)
_DEFAULT_ACTION = b"default_action"
_SHUTDOWN = b"421 4.7.0 Service unavailable - try again later"


def judge(state: State, child: Child, stage: int, outcome: Outcome) -> Chain[Verdict | None] | None:
    """Take in one outcome; ``stage`` is the event that was asked about.

    Returns the steps that give the verdict, or None when nothing more follows, as from a plain CONTINUE.
    """
    child.asked = False
    state.observer.answered(child.spec.name, stage, outcome, child.spec.evaluate)
    if state.conditional:
        _remember(child, stage, outcome)
    if (
        type(outcome) is Answered
        and outcome.letter == _CONTINUE
        and outcome.hold is None
        and not outcome.closing
    ):
        return None
    return _judge(state, child, stage, outcome)


def _judge(state: State, child: Child, stage: int, outcome: Outcome) -> Chain[Verdict | None]:
    if isinstance(outcome, Lost):
        if stage == Command.BODYEOB and not child.broken:
            return _lose_in_content(state, child, outcome)
        lose(state, child, outcome)
        return sticky_at(child, stage)
    if outcome.hold is not None and not child.spec.evaluate:
        _hold(state, child, stage, outcome.hold)
    if outcome.closing:
        yield CloseChild(child, QUIT)
        child.forget_link()
    letter = outcome.letter
    if letter == _CONTINUE:
        return None
    if letter == Reply.SHUTDOWN and not _may_shut_down(state, stage):
        outcome.letter, outcome.text = Reply.REPLYCODE, _SHUTDOWN  # Postfix would lose the mail (§3.6)
    if letter == Reply.SKIP:
        child.skip = stage
        return None
    if stage in _CONNECTION_EVENTS:
        return (yield from _judge_connection(child, stage, outcome))
    return _judge_message(state, child, stage, outcome)


def _remember(child: Child, stage: int, outcome: Outcome) -> None:
    """Keep what a child said, for conditions of those behind it."""
    if isinstance(outcome, Answered):
        child.edits_said = outcome.edits or child.edits_said
        if outcome.hold is None and outcome.letter in (Reply.CONTINUE, Reply.SKIP):
            return
    if stage in _CONNECTION_EVENTS:
        child.said_to_connection = outcome
    else:
        child.said = outcome


def _may_shut_down(state: State, stage: int) -> bool:
    """Tell whether the MTA may hear SHUTDOWN: Postfix alone knows it, and loses a message by it (§3.6)."""
    return state.mta == "postfix" and (stage != Command.BODYEOB or state.copies_postfix("shutdown"))


def _judge_connection(child: Child, stage: int, outcome: Answered) -> Chain[Verdict | None]:
    """CONNECT or HELO: what is said here lasts for the whole connection (protocol §6.2)."""
    if outcome.letter == Reply.DISCARD:
        return None
    verdict = None
    if outcome.letter in REFUSALS and not child.spec.evaluate:
        verdict = child.sticky = Verdict(outcome.letter, outcome.text, child.name)
        child.state = STICKY
    else:
        child.state = OUT_OF_CONNECTION
    yield CloseChild(child)
    child.forget_link()
    return verdict


def _judge_message(state: State, child: Child, stage: int, outcome: Answered) -> Verdict | None:
    """MAIL and later, or UNKNOWN (protocol §6.3 to §6.7)."""
    letter = outcome.letter
    if stage == Command.UNKNOWN and letter in (Reply.ACCEPT, Reply.DISCARD) and state.message is None:
        # Postfix would crash, or lose the next mail (protocol §6.6)
        copied = state.copies_postfix("unknown-verdicts") and not child.spec.evaluate
        return Verdict(letter, b"", child.name) if copied else None
    only_this_event = stage in (Command.RCPT, Command.UNKNOWN, Command.DATA) and letter in REFUSALS
    if not only_this_event and not (letter == Reply.ACCEPT and stage == Command.BODYEOB):
        child.state = OUT_OF_MESSAGE
    if child.spec.evaluate or letter == Reply.ACCEPT:
        return None
    return Verdict(letter, outcome.text, child.name)


def lose(state: State, child: Child, lost: Lost) -> None:
    """Take a child out of the connection after a fault; its ``on_error`` decides (protocol §9.8)."""
    if child.broken:
        lost = Lost("closed", lost.text)
    child.forget_link()
    if child.spec.evaluate:
        child.state = OUT_OF_CONNECTION
        return
    child.sticky = sticky_verdict(child.spec.on_error, lost, child.name)
    child.state = OUT_OF_CONNECTION if child.sticky is None else STICKY
    if child.spec.on_error == "quarantine" and state.hold_always is None:
        state.hold_always = _DEFAULT_ACTION
        state.observer.held(child.name, _DEFAULT_ACTION)


def lose_for_message(state: State, child: Child, lost: Lost) -> None:
    """Take a child out of one message for a fault that need not be there at the next."""
    if child.spec.on_error == "quarantine" and not child.spec.evaluate:
        _hold(state, child, Command.MAIL, _DEFAULT_ACTION)
    child.sticky = None if child.spec.evaluate else sticky_verdict(child.spec.on_error, lost, child.name)
    child.state = OUT_OF_MESSAGE if child.sticky is None else STICKY


def _lose_in_content(state: State, child: Child, lost: Lost) -> Verdict | None:
    """Decide about this message only: Postfix notices at the next event for this child that it is gone.

    Its content phase runs in another process than its envelope phase, which hears nothing of it (§7.3).
    """
    child.broken = True
    child.in_message = False
    child.backlog.clear()
    if child.spec.evaluate:
        return None
    if child.spec.on_error == "quarantine":
        _hold(state, child, Command.BODYEOB, _DEFAULT_ACTION)
    return sticky_verdict(child.spec.on_error, lost, child.name)


def _hold(state: State, child: Child, stage: int, reason: bytes) -> None:
    """Remember a quarantine, of the message or, before there is one, of the connection (protocol §3.5).

    In Postfix one before the content sticks to the connection.
    """
    state.observer.held(child.name, reason)
    sticks = stage != Command.BODYEOB and state.copies_postfix("quarantine")
    if sticks or state.message is None or stage in _CONNECTION_EVENTS:
        state.hold_always = reason
    else:
        state.message.hold = reason


def sticky_at(child: Child, stage: int) -> Verdict | None:
    """Return what a sticky child says to this event; DISCARD means nothing where there is no message."""
    verdict = child.sticky
    if (
        verdict is not None
        and verdict.letter == Reply.DISCARD
        and stage in (*_CONNECTION_EVENTS, Command.UNKNOWN)
    ):
        return None
    return verdict
