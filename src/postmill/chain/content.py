"""The content of a message: each child in its turn, with the edits of those before it (protocol §9.4).

A child that can edit neither headers nor body runs beside the next one, for that one would see the same
message anyway; so does a child declared independent. Should a child edit that never said it could, those
who ran beside it are asked anew with the edited message.
"""

from __future__ import annotations

from collections.abc import Sequence

from postmill.chain.child import OUT_OF_MESSAGE, TAKING_PART, Child
from postmill.chain.conditions import decide_content
from postmill.chain.edits import changes_content, replaced_texts, show_to_later
from postmill.chain.judgement import judge, sticky_at
from postmill.chain.links import behind_content, call_off, catch_up
from postmill.chain.message import Message
from postmill.chain.state import State
from postmill.chain.steps import CONTINUE, Answered, Ask, Await, Chain, Lost, Outcome, Tell, Verdict
from postmill.chain.talks import ContentTalk
from postmill.wire.codes import Command, Reply

NO_ROOM = b"452 4.3.1 Insufficient system storage"
"""Said when the shell's spool is full: without its body a message cannot be judged."""
_STAGE = int(Command.BODYEOB)
_EDITING = (Reply.CONTINUE, Reply.ACCEPT)
_QUARANTINED = Verdict(Reply.QUARANTINE)
"""Ends the chain without a word of refusal: what Postfix does with a held message (protocol §3.5)."""


def run_content(state: State, message: Message) -> Chain[Verdict]:
    """Show the message to every child that takes part; edits are left in ``message.edits``."""
    waiting, sticky = _order(state)
    while waiting:
        batch = _batch(state, waiting)
        verdict, done = yield from _run_batch(state, message, batch, later=len(waiting) > len(batch))
        if verdict is not None:
            return CONTINUE if verdict is _QUARANTINED else verdict
        waiting = waiting[done:]
    return sticky or CONTINUE


def _order(state: State) -> tuple[list[Child], Verdict | None]:
    waiting: list[Child] = []
    for child in state.children:
        if child.skipped:
            continue
        if child.state < OUT_OF_MESSAGE:
            waiting.append(child)
        elif (verdict := sticky_at(child, _STAGE)) is not None:
            return waiting, verdict
    return waiting, None


def _alone(state: State, child: Child) -> bool:
    """Tell whether nobody may be asked before this child's edits are known, or its verdict if in turn."""
    if child.spec.independent:
        return False
    edits = child.terms is None or child.terms.content_edits
    return state.plan.in_turn or (edits and not child.spec.evaluate)


def _batch(state: State, waiting: Sequence[Child]) -> Sequence[Child]:
    for position, child in enumerate(waiting):
        if child.waits:  # its conditions look at what those before it say and do
            return waiting[: position or 1]
        if _alone(state, child):
            return waiting[: position + 1]
    return waiting


def _run_batch(
    state: State, message: Message, batch: Sequence[Child], later: bool
) -> Chain[tuple[Verdict | None, int]]:
    """Ask some children at the same time; return a final verdict, or how many of them are done."""
    asked: list[Child] = []
    verdict: Verdict | None = None
    for child in batch:
        verdict = yield from _begin(state, message, child)
        if verdict is not None:
            break
        if child.asked:
            asked.append(child)
    for position, child in enumerate(asked):
        outcome = yield Await(child)
        assert outcome is not None
        rest = asked[position + 1 :]
        final = yield from _take_in(state, message, child, outcome)
        if final is not None:
            yield from call_off(rest)
            return final, 0
        edits = message.edits[-1][2] if message.edits and message.edits[-1][0] == child.name else ()
        if edits and (rest or later):
            assert child.terms is not None
            try:
                show_to_later(message, child.terms, edits, state.new_body)
            except OSError:  # no room for its new body: whoever comes now cannot be asked
                yield from call_off(rest)
                return Verdict(Reply.REPLYCODE, NO_ROOM, "postmill"), 0
            if rest and changes_content(edits) and not child.spec.independent:
                yield from call_off(rest)
                return None, batch.index(child) + 1
    return verdict, len(batch)


def _begin(state: State, message: Message, child: Child) -> Chain[Verdict | None]:
    """Start showing the message to one child."""
    if child.waits:
        yield from decide_content(state, child)
        if child.skipped or child.state != TAKING_PART:
            return sticky_at(child, _STAGE)
    if behind_content(state, child):
        verdict = yield from catch_up(state, child, None)
        if verdict is not None or child.state != TAKING_PART or not child.open:
            return verdict
    if child.late_refusal is not None:
        return child.late_refusal
    assert child.terms is not None
    windows = message.windows(child.terms, child.spec.pipeline)
    talk = ContentTalk(
        windows,
        child.spec.content_timeout,
        state.check_text,
        split_body=message.sendmail,
        hold_ends=state.copies_postfix("quarantine"),
    )
    if child.backlog:
        yield Tell(child, b"".join(child.backlog))
        child.backlog.clear()
    yield Ask(child, talk)
    child.asked = True
    return None


def _take_in(state: State, message: Message, child: Child, outcome: Outcome) -> Chain[Verdict | None]:
    """Judge one outcome and keep the child's edits if they are to take effect."""
    judging = judge(state, child, _STAGE, outcome)
    verdict = None if judging is None else (yield from judging)
    if isinstance(outcome, Answered):
        child.in_message = outcome.letter == Reply.CONTINUE and outcome.stage != _STAGE  # held before its end
        child.reusable = outcome.stage == _STAGE and not outcome.closing
    if verdict is not None or child.terms is None:
        return verdict
    if outcome.edits and _take_effect(state, child, outcome):
        replaced = replaced_texts(message, child.terms, outcome.edits)
        state.observer.edited(child.name, outcome.edits, replaced)
        if not child.spec.evaluate:
            message.edits.append((child.name, child.terms, outcome.edits))
    if child.spec.evaluate:
        return None
    held = isinstance(outcome, Answered) and outcome.hold is not None
    return _QUARANTINED if held and state.copies_postfix("quarantine") else None


def _take_effect(state: State, child: Child, outcome: Outcome) -> bool:
    """Tell whether a child's edits do, or would if it were not only evaluated."""
    if isinstance(outcome, Lost):
        return _keeps_lost_edits(state, child, outcome)
    return not child.spec.evaluate or outcome.letter in _EDITING


def _keeps_lost_edits(state: State, child: Child, lost: Lost) -> bool:
    return bool(lost.edits) and child.spec.on_error == "accept" and state.copies_postfix("lost-edits")
