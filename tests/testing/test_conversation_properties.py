"""Whatever a correct filter answers, the fake MTA stays within the protocol: judged by the roles of `wire.states`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.errors import LocalProtocolError
from postmill.testing.conversation import Conversation
from postmill.testing.outcome import Outcome
from postmill.testing.plan import Mail, Offer, Recipient, SessionPlan
from postmill.wire.codes import Protocol
from postmill.wire.framing import FrameReader
from postmill.wire.packets import (
    Accept,
    AddHeader,
    AddRcpt,
    ChangeHeader,
    Continue,
    DelRcpt,
    Discard,
    InsertHeader,
    OptNeg,
    Progress,
    Quarantine,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Skip,
    Tempfail,
    decode_command,
    encode,
)
from postmill.wire.states import FilterRole, MtaRole

VERDICTS: list[ReplyPacket] = [
    *[Continue()] * 12, Accept(), Reject(), Tempfail(), Discard(), Skip(), ReplyCode(b"550 5.7.1 no"), ReplyCode(b"421 4.7.0 bye"),
]  # fmt: skip
EDITS: list[ReplyPacket] = [
    AddHeader(b"X-A", b"1"), InsertHeader(0, b"X-B", b"2"), ChangeHeader(1, b"Subject", b""), ReplaceBody(b"new"),
    AddRcpt(b"<x@y>"), DelRcpt(b"<a@example.org>"), Quarantine(b"why"), Progress(),
]  # fmt: skip

recipients = st.builds(
    Recipient,
    st.sampled_from([b"<a@example.org>", b"<b@example.org>"]),
    st.sampled_from([(), (b"NOTIFY=NEVER",)]),
    st.sampled_from([b"", b"", b"550 5.1.1 User unknown"]),
)
mails = st.builds(
    Mail,
    recipients=st.lists(recipients, max_size=3).map(tuple),
    headers=st.lists(st.sampled_from([(b"Subject", b" x"), (b"A", b"")]), max_size=3).map(tuple),
    body=st.sampled_from([b"", b"x\r\n", b"x" * 140_000]),
    unknown=st.lists(st.tuples(st.sampled_from("MR"), st.just(b"HELP")), max_size=2).map(tuple),
    abort_after=st.sampled_from(["", "", "M", "R", "T", "L", "N", "B"]),
    drop_after=st.sampled_from(["", "", "", "", "M", "B"]),
)
plans = st.builds(
    SessionPlan,
    helo=st.sampled_from([b"", b"me"]),
    mails=st.lists(mails, min_size=1, max_size=3).map(tuple),
    offer=st.builds(Offer, st.sampled_from([2, 3, 4, 6])),
    like=st.sampled_from(["postfix", "sendmail"]),
    unknown=st.lists(st.just(b"XYZZY"), max_size=2).map(tuple),
)
lists = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([b"i j", b""])), max_size=2).map(tuple)


class Judge:
    """The conversation's peer: a filter that answers by choice, with both roles looking on."""

    def __init__(self, plan: SessionPlan, answer: OptNeg, data: st.DataObject) -> None:
        self.filter, self.mta = FilterRole(), MtaRole()
        self.data = data
        offer = OptNeg(plan.offer.version, plan.offer.actions, plan.offer.protocol)
        self.hear(encode(offer))
        self.say(answer)

    def hear(self, said: bytes) -> None:
        packets = [decode_command(letter, payload) for letter, payload in FrameReader().feed(said)]
        assert b"".join(self.mta.send(packet) for packet in packets) == said
        self.filter.receive_data(said)
        assert list(self.filter.events()) == packets

    def say(self, packet: ReplyPacket) -> bool:
        """Send a reply if a correct filter may."""
        try:
            sent = self.filter.send(packet)
        except LocalProtocolError:
            return False
        self.mta.receive_data(sent)
        assert len(list(self.mta.events())) == 1
        return True

    def answer(self) -> Outcome:
        edits = self.data.draw(st.lists(st.sampled_from(EDITS), max_size=3))
        kept = tuple(edit for edit in edits if self.say(edit) and not isinstance(edit, Progress))
        verdict = self.data.draw(st.sampled_from(VERDICTS))
        if not self.say(verdict):
            verdict = Continue()
            assert self.say(verdict)
        return Outcome(verdict, kept)


@settings(max_examples=150)
@given(plans, st.integers(0, 0x1FF), st.integers(0, 0x1FFFFF), st.booleans(), lists, st.data())
def test_a_correct_filter_meets_a_correct_mta(
    plan: SessionPlan,
    actions: int,
    protocol: int,
    few_flags: bool,
    symlists: tuple[tuple[int, bytes], ...],
    data: st.DataObject,
) -> None:
    if few_flags:
        protocol &= 0x100C00
    if plan.like == "sendmail":
        protocol &= ~Protocol.NOMAIL  # without MAIL and ABORT such a filter cannot tell messages apart
    answer = OptNeg(plan.offer.version, actions, protocol, symlists if actions & 0x100 else ())
    judge = Judge(plan, answer, data)
    conversation = Conversation(plan, answer)
    talk = conversation.run()
    outcome = None
    while True:
        try:
            say = talk.send(outcome)
        except StopIteration:
            break
        judge.hear(say.data)
        assert bool(judge.filter.awaiting) == say.reply
        outcome = judge.answer() if say.reply else None
    reports = conversation.report.mails
    assert all(report.status for report in reports)
    assert len(reports) == len(plan.mails) or conversation.cut
    assert all(report.reply for report in reports if report.status in ("reject", "temporary-failure"))
