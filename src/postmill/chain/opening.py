"""The answer to the MTA's offer: from memory, or by asking the children now (protocol §9.1)."""

from __future__ import annotations

from postmill.chain.child import STICKY, Child
from postmill.chain.links import greet, greeted, settle
from postmill.chain.negotiation import Agreement, absent_answer, offer_to_children
from postmill.chain.state import State
from postmill.chain.steps import Ask, Chain, Decide, Steps
from postmill.chain.talks import NegotiateTalk
from postmill.errors import RemoteProtocolError
from postmill.wire.codes import Command
from postmill.wire.packets import OptNeg, decode_command, encode


def negotiate(state: State, payload: bytes) -> Steps:
    """Answer the MTA's offer; children that never answered such an offer before are asked first."""
    offer = decode_command(Command.OPTNEG, payload)
    assert isinstance(offer, OptNeg)
    if offer.version < 2:
        raise RemoteProtocolError(f"milter protocol version {offer.version} is not spoken any more")
    state.offer = offer
    children_offer = offer_to_children(offer)
    known = state.negotiations.agreement(children_offer, state.plan.children)
    if known is None:
        yield from _ask_unknown(state, children_offer)
        state.agree(_merge(state, children_offer))
        settle(state)
    else:
        agreement, terms = known
        state.agree(agreement)
        for child in state.children:
            child.terms = terms[child.name]
    assert state.agreement is not None
    yield Decide(encode(state.agreement.answer))


def _ask_unknown(state: State, offer: OptNeg) -> Chain[None]:
    asked: list[tuple[Child, NegotiateTalk]] = []
    for child in state.children:
        if state.negotiations.answer_of(child.name, offer) is None:
            talk = greet(state, child)
            yield Ask(child, talk)
            asked.append((child, talk))
    for child, talk in asked:
        yield from greeted(state, child, talk)


def _merge(state: State, offer: OptNeg) -> Agreement:
    """Merge what is known; a lost child counts as far as its failure must be reported."""
    answers = []
    for child in state.children:
        answer = state.negotiations.answer_of(child.name, offer)
        if answer is None and child.state == STICKY:
            answer = absent_answer(offer)
        if answer is not None:
            answers.append(answer)
    return Agreement(offer, state.plan.children, answers)
