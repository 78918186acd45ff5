"""The answer to the MTA's offer: from memory, or by asking the children now (protocol §9.1)."""

from __future__ import annotations

from postmill.chain.child import STICKY, Child
from postmill.chain.links import greet, greeted, settle
from postmill.chain.negotiation import Agreement, Offer, absent_answer
from postmill.chain.state import State
from postmill.chain.steps import Ask, Chain, Decide, Steps
from postmill.chain.talks import NegotiateTalk


def negotiate(state: State, payload: bytes) -> Steps:
    """Answer the MTA's offer; children that never answered such an offer before are asked first."""
    offer = state.offer = state.negotiations.offer(payload)
    known = state.negotiations.agreement(offer, state.plan.children)
    if known is None:
        yield from _ask_unknown(state, offer)
        state.agreement = _merge(state, offer)
        settle(state)
    else:
        state.agreement, terms = known
        for child in state.children:
            child.terms = terms[child.name]
    yield Decide(state.agreement.packet)


def _ask_unknown(state: State, offer: Offer) -> Chain[None]:
    asked: list[tuple[Child, NegotiateTalk]] = []
    for child in state.children:
        if state.negotiations.answer_of(child.name, offer) is None:
            talk = greet(state, child)
            yield Ask(child, talk)
            asked.append((child, talk))
    for child, talk in asked:
        yield from greeted(state, child, talk)


def _merge(state: State, offer: Offer) -> Agreement:
    """Merge what is known; a lost child counts as far as its failure must be reported."""
    answers = []
    for child in state.children:
        answer = state.negotiations.answer_of(child.name, offer)
        if answer is None and child.state == STICKY:
            answer = absent_answer(offer.to_children)
        if answer is not None:
            answers.append(answer)
    return Agreement(offer.to_children, state.plan.children, answers)
