"""The answer to the MTA's offer: from memory, or by asking the children now (protocol §9.1)."""

from __future__ import annotations

from collections.abc import Mapping

from postmill.chain.child import STICKY, Child
from postmill.chain.judgement import QUIT
from postmill.chain.links import greet, greeted, settle
from postmill.chain.negotiation import Agreement, Offer, absent_answer
from postmill.chain.state import State
from postmill.chain.steps import Ask, Chain, CloseChild, Decide, Steps
from postmill.chain.talks import NegotiateTalk
from postmill.wire.packets import OptNeg


def negotiate(state: State, payload: bytes) -> Steps:
    """Answer the MTA's offer; children that never answered such an offer before are asked first."""
    offer = state.offer = state.negotiations.offer(payload)
    known = state.negotiations.agreement(offer, state.plan.children, state.plan.nouns)
    if known is None:
        answers = yield from _answers(state, offer)
        state.agreement = _merge(state, offer, answers)
        settle(state, answers)
    else:
        state.agreement, terms = known
        for child in state.children:
            child.terms = terms[child.name]
    yield Decide(state.agreement.packet)


def _answers(state: State, offer: Offer) -> Chain[dict[str, OptNeg]]:
    """Return the answers of all children that gave one; those not known are asked for now.

    They are kept for this session, for what is remembered may be forgotten while others are waited for.
    """
    answers: dict[str, OptNeg] = {}
    asked: list[tuple[Child, NegotiateTalk]] = []
    for child in state.children:
        known = state.negotiations.answer_of(child.name, offer)
        if known is not None:
            answers[child.name] = known
            continue
        talk = greet(state, child)
        yield Ask(child, talk)
        asked.append((child, talk))
    for child, talk in asked:
        yield from greeted(state, child, talk)
        if child.open and talk.answer is not None:
            answers[child.name] = talk.answer
            if child.waits:  # whether it is asked at all is not decided yet
                yield CloseChild(child, QUIT)
                child.forget_link()
    return answers


def _merge(state: State, offer: Offer, answers: Mapping[str, OptNeg]) -> Agreement:
    """Merge what is known; a lost child counts as far as its failure must be reported."""
    counted = []
    for child in state.children:
        answer = answers.get(child.name)
        if answer is None and child.state == STICKY:
            answer = absent_answer(offer.to_children)
        if answer is not None:
            counted.append(answer)
    return Agreement(offer.to_children, state.plan.children, counted, state.plan.nouns)
