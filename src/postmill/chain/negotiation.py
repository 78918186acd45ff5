"""Negotiation: one offer of the MTA, N answers of the children, one answer to the MTA (protocol §4, §9.1).

Answers are remembered, so that a new MTA session is answered at once. What a child needs beyond the
answer already given upstream cannot be had in that session any more (``covers``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import and_, or_

from postmill.api.nouns import Client, Envelope, Greeting, Head, Message, Noun, Recipient, Sender
from postmill.chain.child import ChildSpec, Terms
from postmill.chain.macros import DEFAULT_NAMES, braced, split_names
from postmill.errors import RemoteProtocolError
from postmill.wire.codes import (
    ALL_ACTIONS,
    ALL_PROTOCOL,
    VERSION,
    Action,
    Command,
    MacroStage,
    Protocol,
    Reply,
)
from postmill.wire.packets import OptNeg, decode_command, decode_reply, encode
from postmill.wire.symbols import bare
from postmill.wire.tables import NR_FLAG

_NO_EVENTS = (
    Protocol.NOCONNECT
    | Protocol.NOHELO
    | Protocol.NOMAIL
    | Protocol.NORCPT
    | Protocol.NOBODY
    | Protocol.NOHDRS
    | Protocol.NOEOH
    | Protocol.NOUNKNOWN
    | Protocol.NODATA
)
_NO_CONTENT = Protocol.NOHDRS | Protocol.NOEOH | Protocol.NOBODY
_EVENTS_FOR: Mapping[type[Noun], Protocol] = {
    Client: Protocol.NOCONNECT,
    Greeting: Protocol.NOHELO,
    Sender: Protocol.NOMAIL,
    Recipient: Protocol.NORCPT,
    Envelope: Protocol.NODATA,
}
"""The event that makes a noun known."""
_NO_REPLIES = Protocol.NR_HDR | Protocol.NR_EOH | Protocol.NR_BODY
"""Asked of the MTA wherever it can: the message then comes in one burst, the verdict is given at its end."""

_OLDEST = 2
_MOST_ANSWERS = 256

Symlists = tuple[tuple[int, bytes], ...]


def offer_to_children(mta: OptNeg) -> OptNeg:
    """Return what a child is offered: the MTA's offer without bits nobody released (protocol §9.1)."""
    return OptNeg(
        min(mta.version, VERSION), int(mta.actions) & ALL_ACTIONS, int(mta.protocol) & ALL_PROTOCOL, ()
    )


def absent_answer(offer: OptNeg) -> OptNeg:
    """Return the answer assumed for a child that cannot be asked but whose failure must be reported.

    It wants CONNECT and MAIL, at which its sticky verdict is given (protocol §9.1).
    """
    wanted = Protocol.NOCONNECT | Protocol.NOMAIL
    return OptNeg(offer.version, 0, int(_NO_EVENTS & ~wanted) & offer.protocol, ())


def _suppressed(answer: OptNeg) -> int:
    """Return the events a child does without, those its version does not know included."""
    flags = int(answer.protocol)
    if 1 < answer.version < 4:
        flags |= Protocol.NODATA
    if 1 < answer.version < 3:
        flags |= Protocol.NOUNKNOWN
    return flags & _NO_EVENTS


class Agreement:
    """What is answered upstream, and the terms with each child that follow from it."""

    __slots__ = ("answer", "imposed", "leadspc", "offer", "packet", "quiet")

    def __init__(
        self,
        offer: OptNeg,
        specs: Sequence[ChildSpec],
        answers: Sequence[OptNeg],
        nouns: Collection[type[Noun]] = (),
    ) -> None:
        """Merge ``answers``, one for each child that is to be reckoned with, and what we want to know."""
        self.offer = offer
        answers = (*answers, *_own_needs(offer, nouns))
        symlists, self.imposed = _merge_symlists(offer, answers)
        actions = reduce(or_, (int(answer.actions) for answer in answers), 0)
        if any(spec.on_error == "quarantine" for spec in specs):
            actions |= Action.QUARANTINE
        actions = actions | Action.SETSYMLIST if symlists else actions & ~Action.SETSYMLIST
        suppressed = reduce(and_, (_suppressed(answer) for answer in answers), int(_NO_EVENTS))
        capabilities = reduce(or_, (int(answer.protocol) for answer in answers), 0) & (
            Protocol.HDR_LEADSPC | Protocol.RCPT_REJ
        )
        protocol = suppressed | capabilities | _NO_REPLIES | Protocol.SKIP
        self.answer = OptNeg(
            min(offer.version, VERSION),
            int(actions) & int(offer.actions),
            int(protocol) & int(offer.protocol) & ALL_PROTOCOL,
            symlists,
        )
        self.packet = encode(self.answer)
        """The answer as it goes to the MTA."""
        self.leadspc = bool(self.answer.protocol & Protocol.HDR_LEADSPC)
        """Header values travel with the blank after the colon between the MTA and us."""
        self.quiet = frozenset(letter for letter, flag in NR_FLAG.items() if self.answer.protocol & flag)
        """Events for which the MTA waits for no reply."""

    def terms(self, spec: ChildSpec, answer: OptNeg) -> Terms:
        """Return the terms with one child."""
        return Terms(answer, spec, self.imposed)

    def covers(self, answer: OptNeg) -> bool:
        """Tell whether a child with this answer can take part, given what was answered upstream."""
        given = self.answer
        wants = int(answer.protocol) & (Protocol.HDR_LEADSPC | Protocol.RCPT_REJ)
        names = {stage: {bare(name) for name in split_names(text)} for stage, text in given.symlists}
        return (
            not (int(given.protocol) & _NO_EVENTS & ~_suppressed(answer))
            and not (int(answer.actions) & ~int(given.actions) & ~Action.SETSYMLIST)
            and not (wants & ~int(given.protocol))
            and all(
                {bare(name) for name in split_names(text)} <= names.get(stage, set())
                for stage, text in answer.symlists
            )
        )


def _own_needs(offer: OptNeg, nouns: Collection[type[Noun]]) -> tuple[OptNeg, ...]:
    """Return what it takes to know these, as if a child asked for it: events, the MTA's own macros."""
    if not nouns:
        return ()
    unneeded = reduce(or_, (flag for noun, flag in _EVENTS_FOR.items() if noun not in nouns), Protocol(0))
    always = Protocol.NOUNKNOWN
    if Message not in nouns:
        always |= Protocol.NOBODY if Head in nouns else _NO_CONTENT
    return (OptNeg(offer.version, 0, int(unneeded | always) & int(offer.protocol), ()),)


def _merge_symlists(offer: OptNeg, answers: Sequence[OptNeg]) -> tuple[Symlists, frozenset[int]]:
    """Return the lists to ask of the MTA, and the stages at which some child has none (protocol §9.6)."""
    if not int(offer.actions) & Action.SETSYMLIST:
        return (), frozenset()
    lists: dict[int, list[bytes]] = {}
    imposed: set[int] = set()
    for stage in MacroStage:
        asked = [_names_at(answer, stage) for answer in answers]
        if not any(asked):
            continue
        names = [name for some in asked for name in some]
        if not all(asked):
            imposed.add(stage)
            names += DEFAULT_NAMES[stage]
        if stage == MacroStage.RCPT and any(int(answer.protocol) & Protocol.RCPT_REJ for answer in answers):
            names.append(b"{rcpt_mailer}")
        if stage == MacroStage.CONNECT:
            names.append(b"v")  # tells us which MTA this is (protocol §5.2)
        lists[stage] = names
    if MacroStage.EOM in lists and MacroStage.EOH not in lists:
        # Sendmail ignores a list for EOM that has none for EOH beside it (protocol §4.6)
        imposed.add(MacroStage.EOH)
        lists[MacroStage.EOH] = list(DEFAULT_NAMES[MacroStage.EOH])
    return tuple(
        (int(stage), b" ".join(_unique(names))) for stage, names in sorted(lists.items())
    ), frozenset(imposed)


def _names_at(answer: OptNeg, stage: int) -> tuple[bytes, ...]:
    return split_names(dict(answer.symlists).get(stage, b""))


def _unique(names: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple({bare(name): braced(name) for name in names}.values())


class Offer:
    """One kind of offer, as an MTA makes it for every session anew, and what goes with it."""

    __slots__ = ("of_mta", "packet", "to_children")

    def __init__(self, of_mta: OptNeg) -> None:
        """Derive what children are offered."""
        self.of_mta = of_mta
        self.to_children = offer_to_children(of_mta)
        self.packet = encode(self.to_children)


class Negotiations:
    """What was negotiated before: offers met, the children's answers to each, their merge.

    An MTA makes the same offer for every session and a child answers it in the same way, so both are decoded
    and merged once.
    """

    __slots__ = ("_agreements", "_answers", "_decoded", "_offers")

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._offers: dict[bytes, Offer] = {}
        self._decoded: dict[bytes, OptNeg] = {}
        self._answers: dict[tuple[str, Offer], OptNeg] = {}
        self._agreements: dict[Offer, tuple[Agreement, Mapping[str, Terms]]] = {}

    def offer(self, payload: bytes) -> Offer:
        """Return the offer with this payload; raises RemoteProtocolError."""
        known = self._offers.get(payload)
        if known is None:
            offer = decode_command(Command.OPTNEG, payload)
            assert isinstance(offer, OptNeg)
            if offer.version < _OLDEST:
                raise RemoteProtocolError(f"milter protocol version {offer.version} is not spoken any more")
            known = self._offers[payload] = Offer(offer)
        return known

    def decode_answer(self, payload: bytes) -> OptNeg:
        """Return a child's answer as a value; raises RemoteProtocolError."""
        known = self._decoded.get(payload)
        if known is None:
            answer = decode_reply(Reply.OPTNEG, payload)
            assert isinstance(answer, OptNeg)
            if len(self._decoded) >= _MOST_ANSWERS:
                self._decoded.clear()
            known = self._decoded[payload] = answer
        return known

    def answer_of(self, name: str, offer: Offer) -> OptNeg | None:
        """Return what a child answered last to this offer."""
        return self._answers.get((name, offer))

    def learn(self, name: str, offer: Offer, answer: OptNeg) -> None:
        """Remember an answer; a different one than before makes the merge out of date."""
        if self._answers.get((name, offer)) != answer:
            self._answers[name, offer] = answer
            self._agreements.pop(offer, None)

    def forget(self, name: str) -> None:
        """Drop what a child answered: it may have been started anew, and answer otherwise."""
        for known in [known for known in self._answers if known[0] == name]:
            del self._answers[known]
            self._agreements.pop(known[1], None)

    def agreement(
        self, offer: Offer, specs: Sequence[ChildSpec], nouns: Collection[type[Noun]] = ()
    ) -> tuple[Agreement, Mapping[str, Terms]] | None:
        """Return the merge for an offer and each child's terms, or None when some child never answered it."""
        known = self._agreements.get(offer)
        if known is None:
            answers = [self._answers.get((spec.name, offer)) for spec in specs]
            if None in answers:
                return None
            complete = [answer for answer in answers if answer is not None]
            merged = Agreement(offer.to_children, specs, complete, nouns)
            terms = {
                spec.name: merged.terms(spec, answer) for spec, answer in zip(specs, complete, strict=True)
            }
            known = self._agreements[offer] = (merged, terms)
        return known
