"""What the product test cannot show: bursts, SKIP, reuse of a link, negotiation, the end (protocol §3.2, §4.4, §6)."""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteConfigError, RemoteProtocolError
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Command, Protocol, Reply
from postmill.wire.framing import frame
from postmill.wire.packets import (
    Abort,
    Accept,
    AddHeader,
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
    Macro,
    Mail,
    OptNeg,
    Progress,
    Quit,
    QuitNc,
    Rcpt,
    Reject,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Skip,
    Unknown,
    encode,
)
from postmill.wire.states import Answer, FilterRole, MtaRole
from postmill.wire.tables import ALLOWED_REPLIES, EDITS, VERDICTS

OFFER = OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL)
CONNECT, HELO, MAIL, RCPT = Connect(b"h", b"4", 25, b"192.0.2.1"), Helo(b"x"), Mail(b"<a@b>"), Rcpt(b"<c@d>")
CONTENT: tuple[CommandPacket, ...] = (Header(b"Subject", b"s"), Eoh(), Body(b"x"), BodyEob())


def answered(role: MtaRole, *replies: ReplyPacket) -> list[Answer]:
    role.receive_data(b"".join(map(encode, replies)))
    return list(role.events())


def asked(role: MtaRole, *steps: CommandPacket) -> None:
    """Send each command and let it be answered with CONTINUE."""
    for packet in steps:
        role.send(packet)
        if role.awaiting:
            answered(role, Continue())


def mta(protocol: int = 0, version: int = 6, actions: int = ALL_ACTIONS) -> MtaRole:
    role = MtaRole()
    role.send(OFFER)
    answered(role, OptNeg(version, actions, protocol))
    return role


def filter_(protocol: int = 0) -> FilterRole:
    role = FilterRole()
    role.receive_data(encode(OFFER))
    assert list(role.events()) == [OFFER]
    role.send(OptNeg(6, ALL_ACTIONS, protocol))
    return role


def heard(role: FilterRole, *packets: CommandPacket) -> list[CommandPacket]:
    role.receive_data(b"".join(map(encode, packets)))
    return list(role.events())


def test_a_whole_message_with_edits() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT[:-1])
    role.send(Macro(Command.BODYEOB, ((b"i", b"1"),)))
    role.send(BodyEob())
    edit = AddHeader(b"X", b"v")
    assert answered(role, Progress(), edit) == [
        Answer(Command.BODYEOB, Progress()),
        Answer(Command.BODYEOB, edit),
    ]
    assert role.awaiting == (Command.BODYEOB,)
    assert answered(role, Accept()) == [Answer(Command.BODYEOB, Accept())]
    role.send(Quit())
    assert role.closed


def test_a_burst_is_answered_in_order() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL, RCPT, Data())
    for packet in CONTENT:
        role.send(packet)
    assert role.awaiting == (Command.HEADER, Command.EOH, Command.BODY, Command.BODYEOB)
    letters = [answer.command for answer in answered(role, *[Continue()] * 4)]
    assert letters == [Command.HEADER, Command.EOH, Command.BODY, Command.BODYEOB]


def test_edits_wait_for_their_turn_in_a_burst() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL, RCPT, Data())
    for packet in CONTENT:
        role.send(packet)
    with pytest.raises(RemoteProtocolError, match="no answer to HEADER"):
        answered(role, AddHeader(b"X", b"v"))


@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_final_verdict_in_a_burst_spends_the_link(more: int) -> None:
    """libmilter falls silent behind it, other implementations go on answering: both are in order."""
    role = mta()
    asked(role, CONNECT, HELO, MAIL, RCPT, Data())
    for packet in CONTENT:
        role.send(packet)
    assert answered(role, Reject()) == [Answer(Command.HEADER, Reject())]
    assert answered(role, *[Continue()] * more) == []
    with pytest.raises(LocalProtocolError, match="link is spent"):
        role.send(MAIL)
    role.send(Abort())
    role.send(Quit())
    role.receive_eof()
    assert list(role.events()) == []


def test_more_answers_than_a_spent_burst_had_commands_are_a_fault() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL)
    role.send(RCPT)
    role.send(Data())
    with pytest.raises(RemoteProtocolError, match="no answer is due"):
        answered(role, Discard(), Continue(), Continue())


@pytest.mark.parametrize("verdict", [Accept(), Discard()])
@pytest.mark.parametrize("stage", [MAIL, RCPT, Data(), *CONTENT[:-1]])
def test_after_accept_or_discard_nothing_of_the_message_is_sent(
    verdict: ReplyPacket, stage: CommandPacket
) -> None:
    role = mta()
    every: list[CommandPacket] = [CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT]
    asked(role, *every[: every.index(stage)])
    role.send(stage)
    answered(role, verdict)
    for packet in (RCPT, Data(), *CONTENT):
        with pytest.raises(LocalProtocolError):
            role.send(packet)
    asked(role, Abort(), MAIL, RCPT, Data(), *CONTENT)


def test_a_refused_recipient_leaves_the_message_open_and_a_refused_sender_does_not() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL)
    role.send(RCPT)
    answered(role, ReplyCode(b"550 5.1.1 no"))
    asked(role, RCPT)
    role.send(Data())
    answered(role, Reject())
    asked(role, RCPT, Data(), Abort())
    role.send(MAIL)
    answered(role, Reject())
    with pytest.raises(LocalProtocolError):
        role.send(RCPT)
    asked(role, MAIL, RCPT)


@pytest.mark.parametrize("stage", [CONNECT, HELO])
@pytest.mark.parametrize("verdict", [Accept(), Reject(), ReplyCode(b"450 x"), Shutdown()])
def test_a_verdict_on_the_connection_ends_the_session(stage: CommandPacket, verdict: ReplyPacket) -> None:
    role = mta()
    if stage is HELO:
        asked(role, CONNECT)
    role.send(stage)
    answered(role, verdict)
    for packet in (HELO, MAIL, Unknown(b"X")):
        with pytest.raises(LocalProtocolError):
            role.send(packet)
    role.send(Quit())


def test_discard_of_a_connection_means_nothing() -> None:
    role = mta()
    role.send(CONNECT)
    answered(role, Discard())
    asked(role, HELO, MAIL)


def test_skip_of_the_body_lasts_for_the_message() -> None:
    role = mta(Protocol.SKIP)
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT[:2])
    role.send(Body(b"x"))
    answered(role, Skip())
    assert not role.wants(Command.BODY)
    with pytest.raises(LocalProtocolError, match="does not want BODY"):
        role.send(Body(b"y"))
    asked(role, BodyEob(), MAIL, RCPT, Data(), *CONTENT)


def test_skip_of_recipients_lasts_until_another_event() -> None:
    role = mta(Protocol.SKIP)
    asked(role, CONNECT, HELO, MAIL)
    role.send(RCPT)
    answered(role, Skip())
    assert not role.wants(Command.RCPT)
    asked(role, Data())
    assert role.wants(Command.RCPT)


@pytest.mark.parametrize("stage", [CONNECT, HELO, MAIL, Data()])
def test_skip_elsewhere_is_continue(stage: CommandPacket) -> None:
    role = mta(Protocol.SKIP)
    every: list[CommandPacket] = [CONNECT, HELO, MAIL, RCPT, Data()]
    asked(role, *every[: every.index(stage)])
    role.send(stage)
    answered(role, Skip())
    assert role.wants(stage.letter)


def test_skip_that_comes_when_the_message_has_gone_by_is_forgotten() -> None:
    role = mta(Protocol.SKIP)
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT[:2])
    role.send(Body(b"x"))
    role.send(BodyEob())
    answered(role, Skip(), Continue())
    assert role.wants(Command.BODY)


def test_a_link_is_used_again_after_the_end_of_a_message() -> None:
    role = mta()
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT)
    role.send(QuitNc())
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT)


def test_the_probe_whether_a_link_can_be_used_again() -> None:
    role = mta()
    asked(role, CONNECT, Unknown(b"PROBE"), QuitNc(), CONNECT)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (OptNeg(7, 0, 0), "version 7"),
        (OptNeg(6, ALL_ACTIONS + 0x200, 0), "actions it was not offered"),
    ],
)
def test_answers_beyond_the_offer(answer: OptNeg, what: str) -> None:
    role = MtaRole()
    role.send(OFFER)
    with pytest.raises(RemoteProtocolError, match=what):
        answered(role, answer)
    assert role.closed


def test_protocol_flags_that_were_not_offered_are_ignored() -> None:
    role = MtaRole()
    role.send(OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL & ~Protocol.NOHELO))
    answered(role, OptNeg(6, 0, 0x30000000 | Protocol.NOHELO | Protocol.NOMAIL))
    assert role.wants(Command.HELO)
    assert not role.wants(Command.MAIL)


@pytest.mark.parametrize("version", [0, 1])
def test_an_impossibly_low_version_leaves_nothing_out(version: int) -> None:
    role = mta(version=version)
    assert role.wants(Command.DATA)
    assert role.wants(Command.UNKNOWN)


@pytest.mark.parametrize("version", [0, 1, 5, 7])
def test_versions_that_are_never_offered(version: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"no version {version}"):
        MtaRole().send(OptNeg(version, 0, 0))


def test_nothing_is_sent_before_the_answer_to_the_offer() -> None:
    role = MtaRole()
    with pytest.raises(LocalProtocolError):
        role.send(CONNECT)
    role.send(OFFER)
    with pytest.raises(LocalProtocolError):
        role.send(CONNECT)
    with pytest.raises(LocalProtocolError):
        role.send(OFFER)


def test_what_an_mta_does_not_send() -> None:
    role = mta()
    for packet in (OptNeg(6, 0, 0, ((0, b"j"),)), Continue(), AddHeader(b"a", b"b")):
        with pytest.raises(LocalProtocolError):
            role.send(packet)  # type: ignore[arg-type]
    asked(role, CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT[:-1])
    with pytest.raises(LocalProtocolError, match="send it as BODY"):
        role.send(BodyEob(b"the end"))


def test_without_mail_events_a_message_begins_with_what_is_left() -> None:
    role = mta(Protocol.NOMAIL | Protocol.NORCPT)
    asked(role, CONNECT, HELO, Data(), *CONTENT, Abort(), Data(), *CONTENT)


def test_configuration_errors_stay_what_they_are() -> None:
    role = mta()
    role.send(CONNECT)
    role.receive_data(frame(Reply.REPLYCODE, b"550 no NUL"))
    with pytest.raises(RemoteConfigError):
        list(role.events())


def test_a_filter_that_closes_while_an_answer_is_due() -> None:
    role = mta()
    role.send(CONNECT)
    role.receive_eof()
    with pytest.raises(RemoteProtocolError, match="1 answers due"):
        list(role.events())


def test_answers_before_the_end_are_heard() -> None:
    role = mta()
    role.send(CONNECT)
    role.receive_data(encode(Continue()))
    role.receive_eof()
    assert [answer.reply for answer in role.events()] == [Continue()]
    assert role.closed


@pytest.mark.parametrize("role", [mta(), filter_()])
def test_the_end_inside_a_packet(role: MtaRole | FilterRole) -> None:
    role.receive_data(b"\0\0")
    role.receive_eof()
    with pytest.raises(RemoteProtocolError, match="inside a packet"):
        list(role.events())


def test_answers_before_a_framing_fault_are_heard() -> None:
    role = mta()
    role.send(CONNECT)
    role.receive_data(encode(Continue()) + b"\0\0\0\0")
    events = role.events()
    assert next(events).reply == Continue()
    with pytest.raises(RemoteProtocolError, match="length 0"):
        next(events)
    role.receive_data(encode(Continue()))
    with pytest.raises(LocalProtocolError, match="over"):
        role.send(HELO)


@pytest.mark.parametrize("fault", [encode(Continue()), frame(ord("Z")), b"\0\0\0\0"])
def test_nothing_is_heard_after_a_fault(fault: bytes) -> None:
    role = mta()
    role.send(CONNECT)
    answered(role, Continue())
    role.receive_data(fault + encode(Continue()))
    with pytest.raises(RemoteProtocolError):
        list(role.events())
    role.receive_data(encode(Continue()))
    role.receive_eof()
    assert list(role.events()) == []
    assert role.closed


def test_a_filter_hears_nothing_after_a_fault_either() -> None:
    role = filter_()
    role.receive_data(encode(CONNECT) + encode(CONNECT) + encode(HELO))
    events = role.events()
    assert next(events) == CONNECT
    with pytest.raises(RemoteProtocolError):
        next(events)
    assert heard(role, HELO) == []


def test_a_filter_hears_the_end_without_quit() -> None:
    role = filter_()
    heard(role, CONNECT)
    role.receive_eof()
    assert list(role.events()) == []
    assert role.closed
    with pytest.raises(LocalProtocolError, match="over"):
        role.send(Continue())


def test_a_filter_answers_the_oldest_of_a_burst() -> None:
    role = filter_()
    burst = [CONNECT, HELO, MAIL, RCPT, Data(), *CONTENT]
    assert heard(role, *burst) == burst
    for packet in burst[:-1]:
        assert role.awaiting[0] == packet.letter
        with pytest.raises(LocalProtocolError):
            role.send(AddHeader(b"X", b"v"))
        role.send(Continue())
    role.send(AddHeader(b"X", b"v"))
    role.send(Accept())
    assert role.awaiting == ()


def test_a_filter_may_refuse_in_a_burst_and_hear_the_rest() -> None:
    role = filter_()
    heard(role, CONNECT, HELO, MAIL, RCPT, Data(), CONTENT[0])
    for _ in range(5):
        role.send(Continue())
    role.send(Reject())
    assert len(heard(role, *CONTENT[1:], MAIL)) == 4


def test_sendmail_goes_on_after_a_refusal_without_abort() -> None:
    role = filter_()
    for packet in (CONNECT, HELO, MAIL, RCPT, Data(), CONTENT[0]):
        heard(role, packet)
        role.send(Reject() if packet.letter == Command.HEADER else Continue())
    assert heard(role, HELO, Unknown(b"X"), MAIL) == [HELO, Unknown(b"X"), MAIL]


def test_postfix_resets_after_the_next_helo() -> None:
    role = filter_()
    assert len(heard(role, CONNECT, HELO, MAIL, RCPT, HELO, Abort(), Abort(), MAIL)) == 8


def test_a_filter_negotiates_once_and_first() -> None:
    role = FilterRole()
    with pytest.raises(RemoteProtocolError, match="before the negotiation"):
        heard(role, CONNECT)
    role = filter_()
    with pytest.raises(RemoteProtocolError, match="OPTNEG has no place"):
        heard(role, OFFER)
    role = filter_()
    with pytest.raises(RemoteProtocolError, match="CONNECT comes once"):
        heard(role, CONNECT, CONNECT)
    with pytest.raises(RemoteProtocolError, match="too old"):
        heard(FilterRole(), OptNeg(1, 0x0F, 0x3F))


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (OptNeg(2, 0x3F, 0x7F), OptNeg(6, 0, 0)),
        (OFFER, OptNeg(1, 0, 0)),
        (OptNeg(6, 0x0F, ALL_PROTOCOL), OptNeg(6, 0x10, 0)),
        (OptNeg(6, ALL_ACTIONS, 0x7F), OptNeg(6, 0, 0x80)),
        (OptNeg(6, 0xFF, ALL_PROTOCOL), OptNeg(6, 0, 0, ((0, b"j"),))),
    ],
)
def test_a_filter_answers_within_the_offer(offer: OptNeg, answer: OptNeg) -> None:
    role = FilterRole()
    heard(role, offer)
    with pytest.raises(LocalProtocolError):
        role.send(answer)
    role.send(OptNeg(2, 0, 0))


@pytest.mark.parametrize("protocol", [0, int(Protocol.NOHDRS | Protocol.NR_BODY)])
def test_what_is_agreed_beforehand_is_as_if_it_had_been_said(protocol: int) -> None:
    said, agreed = filter_(protocol), FilterRole()
    agreed.agree(OFFER, OptNeg(6, ALL_ACTIONS, protocol))
    for role in (said, agreed):
        assert heard(role, CONNECT) == [CONNECT]
        assert role.send(Continue()) == encode(Continue())
        assert heard(role, HELO, MAIL) == [HELO, MAIL]
        role.send(Continue())
        role.send(Reject())
    header = encode(CONTENT[0])
    for role in (said, agreed):
        role.receive_data(encode(MAIL) + header)
        if protocol:
            with pytest.raises(RemoteProtocolError, match="HEADER was negotiated away"):
                list(role.events())
        else:
            assert list(role.events()) == [MAIL, CONTENT[0]]


def test_what_is_agreed_beforehand_was_offered() -> None:
    with pytest.raises(LocalProtocolError, match="not offered"):
        FilterRole().agree(OptNeg(2, 0, 0), OptNeg(6, 0, 0))
    role = FilterRole()
    role.agree(OFFER, OFFER)
    with pytest.raises(RemoteProtocolError, match="OPTNEG"):
        heard(role, OFFER)


def test_accept_of_an_unknown_command_inside_a_message() -> None:
    role = filter_()
    heard(role, CONNECT, HELO, MAIL)
    for _ in range(3):
        role.send(Continue())
    heard(role, Unknown(b"X"))
    role.send(Accept())


def test_what_is_allowed_is_everything_minus() -> None:
    assert ALLOWED_REPLIES[Command.BODYEOB] - ALLOWED_REPLIES[Command.MAIL] == EDITS
    assert ALLOWED_REPLIES[Command.CONNECT] >= VERDICTS
    assert {len(ALLOWED_REPLIES[letter]) for letter in b"DAQK"} == {0}
