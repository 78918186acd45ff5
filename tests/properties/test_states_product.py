"""The whole product of commands and replies, and of stages and commands (protocol §3.2, §6.8, §10.3).

The tables here are written out by hand from the protocol, letter by letter; those in ``wire.tables`` are made
of "everything minus". So neither is a copy of the other.
"""

from __future__ import annotations

import pytest

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Command, Protocol, Reply
from postmill.wire.packets import (
    Abort,
    Accept,
    AddHeader,
    AddRcpt,
    AddRcptPar,
    Body,
    BodyEob,
    ChangeFrom,
    ChangeHeader,
    CommandPacket,
    Connect,
    ConnFail,
    Continue,
    Data,
    DelRcpt,
    Discard,
    Eoh,
    Header,
    Helo,
    InsertHeader,
    Macro,
    Mail,
    OptNeg,
    Progress,
    Quarantine,
    Quit,
    QuitNc,
    Rcpt,
    Reject,
    ReplaceBody,
    ReplyCode,
    ReplyPacket,
    Shutdown,
    Skip,
    Tempfail,
    Unknown,
    encode,
)
from postmill.wire.states import FilterRole, MtaRole
from postmill.wire.tables import ACTION_NEEDED, NO_FLAG, NR_FLAG

COMMANDS: dict[str, CommandPacket] = {
    "O": OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL),
    "D": Macro(ord("C"), ((b"j", b"x"),)),
    "C": Connect(b"host", b"4", 25, b"192.0.2.1"),
    "H": Helo(b"name"),
    "M": Mail(b"<a@b>"),
    "R": Rcpt(b"<c@d>"),
    "T": Data(),
    "L": Header(b"Subject", b"s"),
    "N": Eoh(),
    "B": Body(b"text\r\n"),
    "E": BodyEob(),
    "A": Abort(),
    "Q": Quit(),
    "K": QuitNc(),
    "U": Unknown(b"XYZZY"),
}
REPLIES: dict[str, ReplyPacket] = {
    "O": OptNeg(6, ALL_ACTIONS, int(Protocol.SKIP)),
    "c": Continue(),
    "a": Accept(),
    "r": Reject(),
    "t": Tempfail(),
    "d": Discard(),
    "y": ReplyCode(b"550 5.7.1 no"),
    "s": Skip(),
    "p": Progress(),
    "4": Shutdown(),
    "f": ConnFail(),
    "h": AddHeader(b"X", b"v"),
    "i": InsertHeader(0, b"X", b"v"),
    "m": ChangeHeader(1, b"X", b"v"),
    "b": ReplaceBody(b"new"),
    "+": AddRcpt(b"<e@f>"),
    "2": AddRcptPar(b"<e@f>", b"NOTIFY=NEVER"),
    "-": DelRcpt(b"<c@d>"),
    "e": ChangeFrom(b"<g@h>", None),
    "q": Quarantine(b"virus"),
}
BEFORE = {
    "O": "", "D": "O", "C": "O", "H": "OC", "U": "OCH", "M": "OCH", "R": "OCHM", "T": "OCHMR", "L": "OCHMRT",
    "N": "OCHMRTL", "B": "OCHMRTLN", "E": "OCHMRTLNB", "A": "OCHM", "Q": "OCH", "K": "OCHMRTLNBE",
}  # fmt: skip
ANY = "cartdysp4q"
TAKEN = {  # what an MTA takes as an answer
    "O": "O", "D": "", "C": ANY, "H": ANY, "U": ANY, "M": ANY, "R": ANY, "T": ANY, "L": ANY, "N": ANY,
    "B": ANY, "E": ANY + "himb+2-e", "A": "", "Q": "", "K": "",
}  # fmt: skip
SAFE = "cartdysp"
SENT = {  # what a filter that wants to live with every MTA sends
    "O": "O", "D": "", "C": SAFE, "H": SAFE, "U": "crtysp", "M": SAFE, "R": SAFE, "T": SAFE, "L": SAFE,
    "N": SAFE, "B": SAFE, "E": SAFE + "qhimb+2-e", "A": "", "Q": "", "K": "",
}  # fmt: skip
EVENTUAL = set("pqhimb+2-e")  # after these the verdict is still due
PRODUCT = [(command, reply) for command in COMMANDS for reply in REPLIES]


def mta_at(command: str, answer: OptNeg | None = None) -> MtaRole:
    """An MTA role that has sent everything up to this command, which alone is not answered."""
    role = MtaRole()
    answer = answer or OptNeg(6, ALL_ACTIONS, int(Protocol.SKIP))
    for letter in BEFORE[command] + command:
        if letter not in ("O", command) and not role.wants(ord(letter)):
            continue
        role.send(COMMANDS[letter])
        if letter != command and role.awaiting:
            role.receive_data(encode(answer if letter == "O" else Continue()))
            list(role.events())
    return role


def filter_at(command: str, answer: OptNeg | None = None) -> FilterRole:
    """A filter role that has heard everything up to this command, which alone is not answered."""
    role = FilterRole()
    for letter in BEFORE[command] + command:
        role.receive_data(encode(COMMANDS[letter]))
        list(role.events())
        if letter != command and role.awaiting:
            role.send((answer or OptNeg(6, ALL_ACTIONS, int(Protocol.SKIP))) if letter == "O" else Continue())
    return role


def test_the_tables_are_complete() -> None:
    assert {ord(letter) for letter in COMMANDS} == set(Command) == {ord(letter) for letter in TAKEN}
    assert {ord(letter) for letter in REPLIES} == set(Reply) - {Reply.SETSYMLIST}
    assert set(SENT) == set(TAKEN) == set(BEFORE)


@pytest.mark.parametrize(("command", "reply"), PRODUCT)
def test_the_mta_role_takes_what_an_mta_takes(command: str, reply: str) -> None:
    role = mta_at(command)
    role.receive_data(encode(REPLIES[reply]))
    if reply in TAKEN[command]:
        (answer,) = role.events()
        assert answer.reply == REPLIES[reply]
        assert answer.command == ord(command)
        assert answer.final is (reply not in EVENTUAL)
        assert bool(role.awaiting) is (reply in EVENTUAL)
    else:
        with pytest.raises(RemoteProtocolError):
            list(role.events())
        assert role.closed


@pytest.mark.parametrize(("command", "reply"), PRODUCT)
def test_the_filter_role_sends_what_no_mta_is_hurt_by(command: str, reply: str) -> None:
    role = filter_at(command)
    if reply in SENT[command]:
        assert role.send(REPLIES[reply]) == encode(REPLIES[reply])
        assert bool(role.awaiting) is (reply in EVENTUAL)
    else:
        with pytest.raises(LocalProtocolError):
            role.send(REPLIES[reply])


@pytest.mark.parametrize("letter", sorted(set(range(256)) - set(Reply)))
def test_letters_that_are_no_replies(letter: int) -> None:
    role = mta_at("E")
    role.receive_data(bytes((0, 0, 0, 1, letter)))
    with pytest.raises(RemoteProtocolError, match="unknown reply"):
        list(role.events())


@pytest.mark.parametrize("letter", sorted(set(range(256)) - set(Command)))
def test_letters_that_are_no_commands(letter: int) -> None:
    role = filter_at("H")
    role.receive_data(bytes((0, 0, 0, 1, letter)))
    with pytest.raises(RemoteProtocolError, match="unknown command"):
        list(role.events())


NEXT = {  # after this command (and its answer), these may follow: what libmilter answers, protocol §6.8
    "": "O",
    "O": "DCHMUAQ",
    "C": "DHMUAQ",
    "H": "DHMUAQ",
    "U": "DHMUAQK",
    "M": "DHMRTLNUAQ",
    "R": "DHMRTLNUAQ",
    "T": "DHMRTLNAQ",
    "L": "DMLNAQ",
    "N": "DMBEAQ",
    "B": "DMBEAQ",
    "E": "DHMUAQK",
    "A": "DHMUAQ",
    "K": "DCHMUAQ",
    "Q": "",
}
HEARD = {  # what real MTAs send besides: content without MAIL, content without EOH, K wherever, U after a
    # refused DATA
    "": "", "O": "LNBEK", "C": "LNBEK", "H": "LNBEK", "U": "LNBE", "M": "BEK", "R": "BEK", "T": "BEKU",
    "L": "BEK", "N": "K", "B": "K", "E": "LNBE", "A": "LNBEK", "K": "LNBEK", "Q": "",
}  # fmt: skip
STEPS = [(before, letter) for before in NEXT for letter in COMMANDS]


@pytest.mark.parametrize(("before", "letter"), STEPS)
def test_the_mta_role_sends_only_what_is_answered(before: str, letter: str) -> None:
    role = mta_at(before) if before else MtaRole()
    if role.awaiting:
        role.receive_data(encode(REPLIES["O"] if before == "O" else Continue()))
        list(role.events())
    if letter in NEXT[before]:
        assert role.send(COMMANDS[letter]) == encode(COMMANDS[letter])
    else:
        with pytest.raises(LocalProtocolError):
            role.send(COMMANDS[letter])


@pytest.mark.parametrize(("before", "letter"), STEPS)
def test_the_filter_role_hears_what_mtas_send(before: str, letter: str) -> None:
    role = filter_at(before) if before else FilterRole()
    if role.awaiting:
        role.send(REPLIES["O"] if before == "O" else Continue())
    role.receive_data(encode(COMMANDS[letter]))
    if letter in NEXT[before] + HEARD[before]:
        assert list(role.events()) == [COMMANDS[letter]]
    else:
        with pytest.raises(RemoteProtocolError):
            list(role.events())


@pytest.mark.parametrize("command", sorted(NR_FLAG))
def test_an_event_without_reply(command: int) -> None:
    role = mta_at(chr(command), OptNeg(6, ALL_ACTIONS, int(NR_FLAG[command])))
    assert role.awaiting == ()
    assert not role.answers(command)
    role.receive_data(encode(Continue()))
    with pytest.raises(RemoteProtocolError, match="no answer is due"):
        list(role.events())
    filter_role = filter_at(chr(command), OptNeg(6, ALL_ACTIONS, int(NR_FLAG[command])))
    with pytest.raises(LocalProtocolError, match="no answer is due"):
        filter_role.send(Continue())


@pytest.mark.parametrize("command", sorted(NO_FLAG))
def test_an_event_that_was_switched_off(command: int) -> None:
    answer = OptNeg(6, ALL_ACTIONS, int(NO_FLAG[command]))
    with pytest.raises(LocalProtocolError, match="does not want"):
        mta_at(chr(command), answer)
    with pytest.raises(RemoteProtocolError, match="negotiated away"):
        filter_at(chr(command), answer)


@pytest.mark.parametrize(("version", "command"), [(2, "U"), (2, "T"), (3, "T"), (2, "K"), (3, "K"), (4, "K")])
def test_a_command_younger_than_the_version(version: int, command: str) -> None:
    answer = OptNeg(version, ALL_ACTIONS, int(Protocol.NODATA) if command == "K" else 0)
    role = mta_at("E" if command == "K" else "H", answer)
    if role.awaiting:
        role.receive_data(encode(Continue()))
        list(role.events())
    assert not role.wants(ord(command))
    with pytest.raises(LocalProtocolError, match=f"does not exist in version {version}"):
        role.send(COMMANDS[command])


@pytest.mark.parametrize("reply", sorted(ACTION_NEEDED))
def test_edits_need_their_action(reply: int) -> None:
    role = filter_at("E", OptNeg(6, ALL_ACTIONS & ~ACTION_NEEDED[reply], 0))
    with pytest.raises(LocalProtocolError, match="not negotiated"):
        role.send(REPLIES[chr(reply)])
    role = filter_at("E", OptNeg(6, int(ACTION_NEEDED[reply]), 0))
    assert role.send(REPLIES[chr(reply)])


def test_skip_needs_its_flag() -> None:
    with pytest.raises(LocalProtocolError, match="SKIP was not negotiated"):
        filter_at("B", OptNeg(6, 0, 0)).send(Skip())
