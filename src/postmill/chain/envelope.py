"""CONNECT, HELO, MAIL, RCPT, DATA and UNKNOWN: whom to ask, and whose word counts (protocol §9.2, §9.3).

The result is always what asking in turn would give: the first verdict other than continue, in configured
order, never the most severe. All are asked at once where that is provably the same; RCPT goes in turn,
because a recipient that one child refused must not reach the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from postmill.chain.child import OUT_OF_MESSAGE, Child
from postmill.chain.event import Event
from postmill.chain.judgement import ABORT, QUIT, judge, sticky_at
from postmill.chain.links import behind, catch_up, greet, greeted, mark, prepare, tell, wants
from postmill.chain.state import State
from postmill.chain.steps import CONTINUE, Ask, Await, Cancel, Chain, CloseChild, Tell, Verdict
from postmill.chain.talks import EventTalk, NegotiateTalk
from postmill.wire.codes import Command, Reply

_CONNECTION_EVENTS = (Command.CONNECT, Command.HELO)


def run_event(state: State, event: Event) -> Chain[Verdict]:
    """Ask the children about one event and return what the MTA is to be told."""
    candidates, sticky = _candidates(state, event)
    if state.plan.in_turn or event.letter == Command.RCPT:
        verdict = yield from _ask_in_turn(state, candidates, event)
    else:
        verdict = yield from _ask_at_once(state, candidates, event)
    verdict = verdict or sticky
    if event.rejected:
        return CONTINUE  # the MTA refuses this recipient whatever is said (protocol §6.5)
    if verdict is not None:
        return verdict
    if event.letter != Command.UNKNOWN and state.all_out(event.letter in _CONNECTION_EVENTS):
        return Verdict(Reply.ACCEPT)
    return CONTINUE


def _candidates(state: State, event: Event) -> tuple[list[Child], Verdict | None]:
    """Return the children that may be asked, and the sticky verdict that stands behind the last of them."""
    candidates: list[Child] = []
    for child in state.children:
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
    yield from _open_at_once(state, candidates)
    verdict: Verdict | None = None
    asked: list[Child] = []
    for child in candidates:
        if child.state < OUT_OF_MESSAGE and behind(child, event):
            verdict = yield from catch_up(state, child, event)
        elif child.state >= OUT_OF_MESSAGE:  # lost a moment ago
            verdict = sticky_at(child, event.letter)
        if verdict is not None:
            break
        if child.state >= OUT_OF_MESSAGE:
            continue
        mark(child, event.letter)
        data = prepare(child, event)
        if data is not None:
            yield Ask(child, EventTalk(event.letter, data, child.spec.command_timeout))
            child.asked = True
            asked.append(child)
    return (yield from _first_verdict(state, asked, event, verdict))


def _open_at_once(state: State, candidates: Sequence[Child]) -> Chain[None]:
    """Connect to all children without a link, so that only the slowest of them is waited for."""
    opening: list[tuple[Child, NegotiateTalk]] = []
    for child in candidates:
        if not child.open:
            talk = greet(state, child)
            yield Ask(child, talk)
            opening.append((child, talk))
    for child, talk in opening:
        yield from greeted(state, child, talk)


def _first_verdict(
    state: State, asked: Sequence[Child], event: Event, behind: Verdict | None
) -> Chain[Verdict | None]:
    """Await the answers in order; the first verdict ends the event for all who stand behind it.

    ``behind`` is a verdict from behind the last child asked: it counts if none of them has one.
    """
    for position, child in enumerate(asked):
        outcome = yield Await(child)
        assert outcome is not None
        verdict = yield from judge(state, child, event.letter, outcome)
        if verdict is not None:
            yield from _call_off(asked[position + 1 :], event)
            return verdict
    return behind


def _call_off(children: Sequence[Child], event: Event) -> Chain[None]:
    """Take back a question that need not have been asked (protocol §9.10)."""
    for child in children:
        child.asked = False
        yield Cancel(child)
        if event.letter in _CONNECTION_EVENTS:
            yield CloseChild(child, QUIT)
            child.forget_link()
        elif event.letter != Command.UNKNOWN:
            yield Tell(child, ABORT)
            child.forget_message()
