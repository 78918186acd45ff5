"""CONNECT, HELO, MAIL, RCPT, DATA and UNKNOWN: whom to ask, and whose word counts (protocol §9.2, §9.3).

The result is always what asking in turn would give: the first verdict other than continue, in configured
order, never the most severe. All are asked at once where that is provably the same. RCPT goes in turn,
because a recipient that one child refused must not reach the next; UNKNOWN because it is no matter of speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postmill.chain.child import OUT_OF_MESSAGE, Child
from postmill.chain.conditions import decide
from postmill.chain.event import Event
from postmill.chain.judgement import judge, sticky_at
from postmill.chain.links import behind, call_off, catch_up, greet, greeted, question, tell, wants
from postmill.chain.state import State
from postmill.chain.steps import CONTINUE, Ask, Await, Chain, CloseChild, Verdict
from postmill.chain.talks import NegotiateTalk
from postmill.wire.codes import Command, Reply

_CONNECT, _UNKNOWN = int(Command.CONNECT), int(Command.UNKNOWN)
_CONNECTION_EVENTS = frozenset((Command.CONNECT, Command.HELO))
_IN_TURN = frozenset((Command.RCPT, Command.UNKNOWN))
_NOBODY: Mapping[Child, NegotiateTalk] = {}


def run_event(state: State, event: Event) -> Chain[Verdict]:
    """Ask the children about one event and return what the MTA is to be told."""
    if state.conditional:
        yield from decide(state, event)
    candidates, sticky = _candidates(state, event)
    if state.plan.in_turn or event.letter in _IN_TURN:
        verdict = yield from _ask_in_turn(state, candidates, event)
    else:
        verdict = yield from _ask_at_once(state, candidates, event)
    verdict = verdict or sticky
    if event.rejected:
        return CONTINUE  # the MTA refuses this recipient whatever is said (protocol §6.5)
    if verdict is not None:
        return verdict
    if event.letter != _UNKNOWN and state.all_out(event.letter in _CONNECTION_EVENTS):
        return Verdict(Reply.ACCEPT)
    return CONTINUE


def _candidates(state: State, event: Event) -> tuple[list[Child], Verdict | None]:
    """Return the children that may be asked, and the sticky verdict that stands behind the last of them."""
    candidates: list[Child] = []
    for child in state.children:
        if child.waits or (event.rejected and not wants(child, event)):
            continue
        if child.state < OUT_OF_MESSAGE:
            candidates.append(child)
        elif (verdict := sticky_at(child, event.letter)) is not None:
            return candidates, verdict
    return candidates, None


def _ask_in_turn(state: State, candidates: Sequence[Child], event: Event) -> Chain[Verdict | None]:
    for child in candidates:
        event.reached = child.index
        if not wants(child, event):
            continue
        if behind(child, event):
            verdict = yield from catch_up(state, child, event)
            if verdict is not None:
                return verdict
            if child.state >= OUT_OF_MESSAGE:
                continue
        verdict = yield from tell(state, child, event)
        if verdict is not None:
            return verdict
    event.reached = len(state.children)
    return None


def _ask_at_once(state: State, candidates: Sequence[Child], event: Event) -> Chain[Verdict | None]:
    event.reached = len(state.children)
    hurried = yield from _open_at_once(state, candidates, event)
    verdict: Verdict | None = None
    asked: list[Child] = []
    for child in candidates:
        if child in hurried:
            asked.append(child)
            continue
        if child.state < OUT_OF_MESSAGE and behind(child, event):
            verdict = yield from catch_up(state, child, event)
        elif child.state >= OUT_OF_MESSAGE:  # lost a moment ago
            verdict = sticky_at(child, event.letter)
        if verdict is not None:
            break
        if child.state < OUT_OF_MESSAGE and (ask := question(state, child, event)) is not None:
            yield ask
            asked.append(child)
    return (yield from _first_verdict(state, asked, hurried, event, verdict))


def _open_at_once(
    state: State, candidates: Sequence[Child], event: Event
) -> Chain[Mapping[Child, NegotiateTalk]]:
    """Connect to all children without a link, so that only the slowest of them is waited for.

    Returns those who were told CONNECT in the same breath and owe two answers.
    """
    opening: list[tuple[Child, NegotiateTalk]] = []
    for child in candidates:
        if not child.open:
            talk = greet(state, child, event if event.letter == _CONNECT else None)
            yield Ask(child, talk)
            child.asked = True
            opening.append((child, talk))
    if not opening:
        return _NOBODY
    for child, talk in opening:
        if talk.then is None:
            yield from greeted(state, child, talk)
    return {child: talk for child, talk in opening if talk.then is not None}


def _first_verdict(
    state: State,
    asked: Sequence[Child],
    hurried: Mapping[Child, NegotiateTalk],
    event: Event,
    behind: Verdict | None,
) -> Chain[Verdict | None]:
    """Await the answers in order; the first verdict ends the event for all who stand behind it.

    ``behind`` is a verdict from behind the last child asked: it counts if none of them has one.
    """
    for position, child in enumerate(asked):
        talk = hurried.get(child)
        if talk is None:
            outcome = yield Await(child)
            assert outcome is not None
            judging = judge(state, child, event.letter, outcome)
            verdict = None if judging is None else (yield from judging)
        else:
            verdict = yield from _take_in_hurried(state, child, talk, event)
        if verdict is not None:
            yield from call_off(asked[position + 1 :])
            return verdict
    return behind


def _take_in_hurried(state: State, child: Child, talk: NegotiateTalk, event: Event) -> Chain[Verdict | None]:
    """Take in both answers of a child; one that negotiated otherwise than expected is asked anew."""
    outcome = yield Await(child)
    assert outcome is not None
    if not talk.surprised:
        child.open = talk.answer is not None
        judging = judge(state, child, event.letter, outcome)
        return None if judging is None else (yield from judging)
    assert talk.answer is not None
    state.negotiations.learn(child.name, talk.offer, talk.answer)
    child.terms = None
    yield CloseChild(child)
    child.forget_link()
    return (yield from _ask_in_turn(state, (child,), event))
