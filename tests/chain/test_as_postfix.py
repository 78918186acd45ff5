"""What the comparison with real Postfix taught the chain, each as a short conversation."""

from __future__ import annotations

import pytest

from postmill.chain.child import ChildSpec
from postmill.testing.playbook import OFFER
from postmill.testing.script import Negotiation, Rule, Script, Send
from postmill.wire.codes import Protocol
from postmill.wire.framing import frame
from postmill.wire.packets import encode
from tests.chain.playbook import Shell, verdict

C = [("c", b"")]
PASS = Script()
QUARANTINE = verdict("q", b"why")


def at(stage: str, *packets: bytes) -> Script:
    """A child that sends these packets at a stage."""
    return Script(rules=(Rule(stage, tuple(map(Send, packets))),))


@pytest.mark.parametrize(("in_turn", "seen"), [(True, "OCHMRT"), (False, "OCHMRTLNBEAQ")])
def test_in_turn_nobody_reads_beside_a_child_that_cannot_edit(in_turn: bool, seen: str) -> None:
    refuser = Script(Negotiation(actions=0), (Rule("E", (Send(verdict("r")),)),))
    shell = Shell([refuser, PASS], in_turn=in_turn)
    shell.open()
    shell.envelope()
    assert shell.content() == [("r", b"")]
    assert shell.letters("m2") == seen


def test_every_new_sender_goes_up_for_the_arguments_of_the_earlier_one_stay() -> None:
    first, second = b"<a@example.com>\0RET=HDRS\0", b"<>\0"
    shell = Shell([at("E", verdict("e", first[:-1]), verdict("e", second[:-1]), verdict("c"))])
    shell.open()
    shell.envelope()
    assert shell.content() == [("e", first), ("e", second), ("c", b"")]


@pytest.mark.parametrize(
    ("stage", "as_postfix", "first", "second"),
    [
        ("L", True, "OCHMRTL", "OCHMRT"),
        ("L", False, "OCHMRTLNBE", "OCHMRTLNBE"),
        ("B", True, "OCHMRTLNB", "OCHMRT"),
    ],
)
def test_a_quarantine_in_the_content_ends_it_as_in_postfix(
    stage: str, as_postfix: bool, first: str, second: str
) -> None:
    shell = Shell(
        [at(stage, QUARANTINE, verdict("c")), PASS],
        [ChildSpec("m1", pipeline=False), ChildSpec("m2", pipeline=False)],
        same_as_postfix=frozenset({"quarantine"} if as_postfix else ()),
        in_turn=True,
    )
    shell.open()
    shell.envelope()
    assert shell.content() == [("q", b"why\0"), ("c", b"")]
    assert (shell.letters("m1"), shell.letters("m2")) == (first, second)


@pytest.mark.parametrize("as_postfix", [True, False])
def test_a_quarantine_before_the_content_sticks_in_postfix(as_postfix: bool) -> None:
    holding = Script(rules=(Rule("M", (Send(QUARANTINE), Send(verdict("c"))), message=1),))
    shell = Shell([holding], same_as_postfix=frozenset({"quarantine"} if as_postfix else ()))
    shell.open()
    shell.envelope()
    assert shell.content() == [("q", b"why\0"), ("c", b"")]
    shell.say("A")
    shell.envelope()
    assert shell.content() == ([("q", b"why\0")] if as_postfix else []) + C


def test_macros_of_an_event_that_nobody_wants_arrive_before_the_content() -> None:
    shell = Shell([Script(Negotiation(protocol=int(Protocol.NODATA)))])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    shell.say("R", b"<b@example.org>\0")
    shell.say("D", b"Ti\0Q1\0")
    shell.say("L", b"Subject\0x\0", {b"i": b"Q1"})
    shell.say("N", macros={b"i": b"Q1"})
    shell.say("E", macros={b"i": b"Q1"})
    seen = shell.seen["m1"][-1]
    assert seen.index(("D", b"Ti\0Q1\0")) < seen.index(("D", b"Li\0Q1\0"))


def test_macros_of_a_refused_recipient_are_for_who_asked_for_it() -> None:
    deaf, curious = int(Protocol.NORCPT), int(Protocol.NORCPT | Protocol.RCPT_REJ)
    shell = Shell([Script(Negotiation(protocol=deaf)), Script(Negotiation(protocol=curious))])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    refused = b"R{rcpt_addr}\0no such user\0{rcpt_mailer}\0error\0"
    shell.say("D", refused)
    shell.say("T")
    assert ("D", refused) not in shell.seen["m1"][-1]
    assert ("D", refused) in shell.seen["m2"][-1]


def test_a_body_that_a_child_made_has_the_macros_of_the_end() -> None:
    shell = Shell([at("E", frame(ord("b"), b"new\r\n"), verdict("c")), PASS])
    shell.open()
    shell.envelope()
    shell.say("N", macros={b"i": b"Q1"})
    shell.say("E", macros={b"i": b"Q1"})
    seen = shell.seen["m2"][-1]
    assert seen[seen.index(("B", b"new\r\n")) - 1] == ("D", b"Bi\0Q1\0")


def test_helo_in_a_message_reaches_who_accepted_the_message() -> None:
    shell = Shell([at("M", verdict("a")), PASS])
    shell.open()
    shell.envelope()
    shell.say("H", b"again\0")
    shell.say("A")
    assert shell.letters("m1") == "OCHMHA"


def test_the_name_of_the_mta_is_asked_for_whatever_the_children_want() -> None:
    shell = Shell([Script(Negotiation(symlists=((0, b"j"),)))])
    ((letter, answer),) = shell.say("O", encode(OFFER)[5:])
    assert letter == "O"
    assert answer.endswith(b"\0\0\0\0j v\0")


def test_macros_of_a_helo_that_nobody_wants_reach_who_accepted_the_message() -> None:
    shell = Shell([Script(Negotiation(protocol=int(Protocol.NOHELO)), at("M", verdict("a")).rules)])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    shell.say("D", b"H")
    shell.say("A")
    assert shell.seen["m1"][-1][-2:] == [("D", b"H"), ("A", b"")]


def test_a_failed_child_does_not_hide_a_refused_recipient_that_it_never_wanted() -> None:
    curious = Script(Negotiation(protocol=int(Protocol.RCPT_REJ)))
    shell = Shell([at("R", verdict("Z")), curious])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    shell.say("R", b"<b@example.org>\0")
    shell.say("R", b"<no@example.org>\0", {b"{rcpt_mailer}": b"error"})
    assert shell.letters("m2") == "OCHMR"
