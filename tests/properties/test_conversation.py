"""Both roles talking to each other: what one may send, the other must take (protocol §3.2, §4, §6).

Commands are sent one by one or in bursts; the filter answers whenever it likes, with whatever its role allows.
"""

from __future__ import annotations

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from postmill.errors import LocalProtocolError
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, VERSION_PROTOCOL, Command, Protocol
from postmill.wire.packets import (
    Abort,
    Accept,
    Body,
    BodyEob,
    CommandPacket,
    Connect,
    Continue,
    Data,
    Discard,
    Eoh,
    Header,
    Helo,
    Mail,
    OptNeg,
    Progress,
    QuitNc,
    Rcpt,
    Reject,
    ReplyCode,
    ReplyPacket,
    Skip,
    Tempfail,
    Unknown,
)
from postmill.wire.states import Answer, FilterRole, MtaRole
from postmill.wire.tables import NEVER_ANSWERED
from tests.properties.strategies import commands, replies

IN_ORDER: list[CommandPacket] = [
    Connect(b"host", b"4", 25, b"192.0.2.1"),
    Helo(b"name"),
    Mail(b"<a@b>"),
    Rcpt(b"<c@d>"),
    Data(),
    Header(b"Subject", b"s"),
    Eoh(),
    Body(b"text"),
    BodyEob(),
]


ODD: list[CommandPacket] = [Mail(b"<>"), Rcpt(b"<e@f>"), Abort(), QuitNc(), Unknown(b"X"), BodyEob(), Eoh()]
VERDICT_PACKETS: list[ReplyPacket] = [
    Accept(),
    Reject(),
    Tempfail(),
    Discard(),
    Skip(),
    Progress(),
    ReplyCode(b"550 no"),
]


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.mta, self.filter = MtaRole(), FilterRole()
        self.asked: list[int] = []  # letters that the filter must answer, as the MTA counts
        self.answered: list[Answer] = []
        self.place = 0

    @initialize(
        version=st.sampled_from([2, 4, 6, 6, 6]),
        actions=st.sampled_from([0, ALL_ACTIONS, ALL_ACTIONS]) | st.integers(0, ALL_ACTIONS),
        flags=st.lists(st.sampled_from([flag for flag in Protocol if flag & ALL_PROTOCOL]), max_size=3),
        older=st.sampled_from([False, False, True]),
    )
    def negotiate(self, version: int, actions: int, flags: list[Protocol], older: bool) -> None:
        self.to_filter(OptNeg(version, ALL_ACTIONS, VERSION_PROTOCOL[version]))
        protocol = sum({int(flag) for flag in [*flags, Protocol.SKIP]}) & VERSION_PROTOCOL[version]
        self.to_mta(OptNeg(2 if older else version, actions, protocol))
        assert self.mta.answer == self.filter.answer

    def to_filter(self, packet: CommandPacket) -> None:
        data = self.mta.send(packet)
        if packet.letter not in NEVER_ANSWERED and self.mta.answers(packet.letter):
            self.asked.append(packet.letter)
        self.filter.receive_data(data)
        assert list(self.filter.events()) == [packet]

    def to_mta(self, packet: ReplyPacket) -> None:
        self.mta.receive_data(self.filter.send(packet))
        for answer in self.mta.events():
            assert answer.reply == packet
            assert answer.command == self.asked[0]
            self.answered.append(answer)
        if not self.filter.awaiting or len(self.filter.awaiting) < len(self.asked):
            self.asked.pop(0)

    @rule(count=st.integers(1, 9))
    def ask_in_order(self, count: int) -> None:
        for packet in (IN_ORDER * 3)[self.place : self.place + 2 * len(IN_ORDER)]:
            self.place = (self.place + 1) % len(IN_ORDER)
            with suppress(LocalProtocolError):
                self.to_filter(packet)
                count -= 1
            if not count:
                return

    @rule(packet=st.sampled_from(ODD) | commands.filter(lambda packet: packet.letter != Command.QUIT))
    def ask(self, packet: CommandPacket) -> None:
        with suppress(LocalProtocolError):
            self.to_filter(packet)

    @precondition(lambda self: self.filter.awaiting)
    @rule(count=st.integers(1, 9))
    def continue_(self, count: int) -> None:
        for _ in range(min(count, len(self.filter.awaiting))):
            self.to_mta(Continue())

    @precondition(lambda self: self.filter.awaiting)
    @rule(packet=st.sampled_from(VERDICT_PACKETS))
    def decide(self, packet: ReplyPacket) -> None:
        with suppress(LocalProtocolError):
            self.to_mta(packet)

    @precondition(lambda self: self.filter.awaiting[:1] == (Command.BODYEOB,))
    @rule(packet=replies)
    def edit(self, packet: ReplyPacket) -> None:
        with suppress(LocalProtocolError):
            self.to_mta(packet)

    @invariant()
    def both_wait_for_the_same(self) -> None:
        assert self.mta.awaiting == self.filter.awaiting == tuple(self.asked)

    @invariant()
    def nobody_failed(self) -> None:
        assert self.mta.closed == self.filter.closed
        assert len(self.answered) >= bool(self.mta.answer)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
