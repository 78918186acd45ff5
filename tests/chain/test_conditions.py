"""Conditions in the chain: who is asked, from when on, with which macros, and what the record says about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from postmill.api import (
    Applies,
    Apply,
    Client,
    Condition,
    Envelope,
    Greeting,
    Head,
    Load,
    Message,
    Recipient,
    Sender,
    Skip,
    Verdicts,
    condition,
)
from postmill.api.conditions import Use
from postmill.chain.child import ChildSpec
from postmill.testing.script import Negotiation, Rule, Script, Send
from postmill.wire.codes import Action, MacroStage, Protocol
from postmill.wire.framing import frame
from postmill.wire.packets import AddHeader, encode
from tests.chain.playbook import Shell, verdict
from tests.chain.test_rules import PASS, C, at

CONTENT = [("c", b"")]


def when(*conditions: Condition, name: str = "m1", **spec: Any) -> ChildSpec:
    return ChildSpec(name, when=tuple(Use(one.name, one) for one in conditions), **spec)


def of(noun: type[Any], answer: Callable[[Any], Any], name: str = "test") -> Condition:
    """A condition that is asked about one noun."""

    def function(noun):  # type: ignore[no-untyped-def]
        return answer(noun)

    function.__annotations__["noun"] = noun
    return condition(name)(function)


def skip_if(noun: type[Any], holds: Callable[[Any], bool], name: str = "test") -> Condition:
    return of(noun, lambda it: Skip("so it is") if holds(it) else Apply("why not"), name)


def play(shell: Shell) -> list[Any]:
    shell.open()
    return [*shell.envelope(), shell.content()]


@pytest.mark.parametrize("noun", [Client, Greeting, Sender, Envelope, Head, Message])
def test_a_child_left_out_is_never_connected(noun: type[Any]) -> None:
    shell = Shell([at("C", verdict("r")), PASS], [when(skip_if(noun, lambda it: True)), ChildSpec("m2")])
    play(shell)  # its wishes are not known yet: it is asked for them, and that is all
    assert [shell.letters("m1", n) for n in range(len(shell.seen["m1"]))] == ["OQ"]
    shell.reconnect()
    answers = play(shell)
    assert answers == [C, C, C, CONTENT]
    assert len(shell.seen["m1"]) == 1
    assert list(shell.records[-1].children) == ["m1", "m2"]
    child = shell.records[-1].children["m1"]
    assert child.verdict == "skipped"
    assert child.skipped is not None
    assert (child.skipped.name, child.skipped.because) == ("test", "so it is")
    assert shell.letters("m2", 1) == "OCHMRTLNBE"


@pytest.mark.parametrize("noun", [Client, Greeting, Sender, Envelope, Head, Message])
def test_a_child_that_applies_late_is_told_all_it_missed(noun: type[Any]) -> None:
    shell = Shell([PASS], [when(skip_if(noun, lambda it: False))])
    play(shell)
    assert shell.letters("m1", 1) == "OCHMRTLNBE"
    decision = shell.records[0].children["m1"].conditions["test"]
    assert (decision.applies, decision.because) == (True, "why not")


def test_all_conditions_must_hold_and_the_first_that_does_not_ends_the_asking() -> None:
    asked: list[str] = []

    def note(name: str, answer: Applies) -> Condition:
        return of(Client, lambda it: asked.append(name) or answer, name)  # type: ignore[func-returns-value]

    conditions = (note("a", Apply()), note("b", Skip("b says no")), note("c", Apply()))
    shell = Shell([PASS], [when(*conditions)])
    play(shell)
    assert asked == ["a", "b"]
    assert shell.records[0].children["m1"].verdict == "skipped"


def test_the_opposite_of_a_condition() -> None:
    yes, no = of(Client, lambda it: Apply("yes it is"), "yes"), of(Client, lambda it: Skip("it is not"), "no")
    opposite = tuple(Use(one.name, one, negated=True) for one in (no, yes))
    shell = Shell([PASS], [ChildSpec("m1", when=opposite)])
    play(shell)
    decisions = shell.records[0].children["m1"].conditions
    assert {name: (one.applies, one.because) for name, one in decisions.items()} == {
        "not no": (True, "it is not"),
        "not yes": (False, "yes it is"),
    }


def test_a_condition_used_twice_is_recorded_twice() -> None:
    small, large = (
        Use("size", of(Client, lambda it: Apply("a"))),
        Use("size", of(Client, lambda it: Skip("b"))),
    )
    shell = Shell([PASS], [ChildSpec("m1", when=(small, large))])
    play(shell)
    decisions = shell.records[0].children["m1"].conditions
    assert {name: one.because for name, one in decisions.items()} == {"size": "a", "size #2": "b"}


def test_what_holds_for_a_message_is_asked_again_for_the_next() -> None:
    shell = Shell([PASS], [when(skip_if(Sender, lambda sender: sender.address.local == "a"))])
    play(shell)
    assert shell.letters("m1") == "OQ"
    shell.say("A")
    shell.say("M", b"<b@example.com>\0")
    shell.say("R", b"<x@example.org>\0")
    assert shell.letters("m1", 1) == "OCHMR"
    shell.say("A")
    shell.say("M", b"<a@example.com>\0")
    shell.say("R", b"<x@example.org>\0")
    assert shell.letters("m1", 1) == "OCHMRA"


def test_helo_is_decided_anew_when_it_comes_again() -> None:
    shell = Shell([PASS], [when(skip_if(Greeting, lambda it: "tls_version" not in it.macros))])
    shell.open()
    assert shell.letters("m1") == "OQ"
    shell.say("H", b"client\0", {b"{tls_version}": b"TLSv1.3"})
    assert shell.letters("m1", 1) == "OCH"
    shell.say("H", b"client\0")
    assert shell.letters("m1", 1) == "OCHQ"
    assert [*shell.envelope()] == [C, C, C]
    assert len(shell.seen["m1"]) == 2


def test_a_client_that_says_no_helo_has_a_greeting_without_a_name() -> None:
    names: list[str] = []
    shell = Shell([PASS], [when(of(Greeting, lambda it: names.append(it.name) or Apply()))])  # type: ignore[func-returns-value]
    shell.say("O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
    shell.say("C", b"client\x004\x12\x34192.0.2.1\0")
    shell.say("M", b"<a@example.com>\0")
    assert (names, shell.letters("m1", 1)) == ([""], "OCM")


def any_recipient(domain: str) -> Condition:
    @condition("recipient-domain")
    def recipient_domain(at: Recipient | Envelope) -> Applies | None:
        if isinstance(at, Recipient):
            return Apply(f"{at.address} is there") if at.address.domain == domain else None
        return Skip(f"nobody of {domain} among {len(at.recipients)}")

    return recipient_domain


def recipients(shell: Shell, *addresses: bytes) -> list[Any]:
    return [shell.say("R", b"<" + address + b">\0") for address in addresses]


def test_the_first_recipient_that_decides_brings_the_child_in_with_those_before() -> None:
    shell = Shell([PASS], [when(any_recipient("b.example"))])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    assert recipients(shell, b"x@a.example") == [C]
    assert shell.letters("m1") == "OQ"
    assert recipients(shell, b"y@b.example", b"z@a.example") == [C, C]
    assert shell.letters("m1", 1) == "OCHMRRR"
    shell.say("T")
    assert shell.content() == CONTENT


def test_no_recipient_decides_and_the_envelope_does() -> None:
    shell = Shell([PASS], [when(any_recipient("b.example"))])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    recipients(shell, b"x@a.example", b"y@a.example")
    shell.say("T")
    assert shell.content() == CONTENT
    assert (
        shell.records[0].children["m1"].conditions["recipient-domain"].because
        == "nobody of b.example among 2"
    )


def test_a_recipient_refused_by_a_child_that_came_late_is_a_refusal_of_the_message() -> None:
    refuse_x = Script(rules=(Rule("R", (Send(verdict("y", b"550 5.7.1 not x")),), nth=1, message=1),))
    shell = Shell([refuse_x, PASS], [when(skip_if(Envelope, lambda it: False)), ChildSpec("m2")])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    assert recipients(shell, b"x@example.org", b"y@example.org") == [C, C]
    assert shell.say("T") == C
    assert shell.content() == [("y", b"550 5.7.1 not x\0")]
    assert shell.records[0].by == "m1"
    shell.say("A")
    shell.scripts["m1"] = PASS
    assert play_message(shell) == [C, C, C, CONTENT]


def play_message(shell: Shell) -> list[Any]:
    return [*shell.envelope(), shell.content()]


def test_a_child_that_comes_late_hears_nothing_of_recipients_that_others_refused() -> None:
    refuse_first = Script(rules=(Rule("R", (Send(verdict("t")),), nth=1),))
    shell = Shell([PASS, refuse_first], [when(skip_if(Envelope, lambda it: False)), ChildSpec("m2")])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    assert recipients(shell, b"x@example.org", b"y@example.org") == [[("t", b"")], C]
    shell.say("T")
    shell.content()
    assert [payload for letter, payload in shell.seen["m1"][1] if letter == "R"] == [b"<y@example.org>\0"]


def test_macros_of_a_condition_go_to_its_child_only_and_not_over_those_of_the_mta() -> None:
    hand = of(Sender, lambda it: Apply(macros={"trusted_domain": "yes", "i": "placeholder", "x": "1"}))
    shell = Shell([PASS, PASS], [when(hand), ChildSpec("m2")])
    shell.open()
    shell.say("M", b"<a@example.com>\0", {b"{mail_addr}": b"a@example.com"})
    shell.say("R", b"<b@example.org>\0", {b"i": b"4XYZ"})
    given = [payload for letter, payload in shell.seen["m1"][1] if letter == "D"]
    assert given == [
        b"Cv\0Postfix 3.7.11\0{trusted_domain}\0yes\0i\0placeholder\0x\x001\0",
        b"H{trusted_domain}\0yes\0i\0placeholder\0x\x001\0",
        b"M{mail_addr}\0a@example.com\0{trusted_domain}\0yes\0i\0placeholder\0x\x001\0",
        b"Ri\x004XYZ\0{trusted_domain}\0yes\0x\x001\0",
    ]
    assert [payload for letter, payload in shell.seen["m2"][0] if letter == "D"] == [
        b"Cv\0Postfix 3.7.11\0",
        b"M{mail_addr}\0a@example.com\0",
        b"Ri\x004XYZ\0",
    ]


def test_conditions_see_what_the_mta_said() -> None:
    nouns: dict[str, Any] = {}

    def keep(noun: type[Any], name: str) -> Condition:
        return of(noun, lambda it: nouns.update({name: it}) or Apply(), name)

    kinds = {
        "client": Client,
        "greeting": Greeting,
        "sender": Sender,
        "envelope": Envelope,
        "message": Message,
    }
    shell = Shell([PASS], [when(*(keep(noun, name) for name, noun in kinds.items()))])
    shell.say("O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
    shell.say("C", b"mx.example\x006\x12\x34IPv6:::ffff:192.0.2.1\0", {b"v": b"Postfix 3.7.11", b"j": b"me"})
    shell.say("H", b"helo.example\0")
    shell.say("M", b"<a@example.com>\0SIZE=9\0", {b"{auth_type}": b"PLAIN", b"{auth_authen}": b"joe"})
    shell.say("R", b"<b@example.org>\0NOTIFY=NEVER\0")
    shell.say("T")
    shell.say("L", b"Subject\0 hi\0")
    shell.say("N")
    shell.say("B", b"body\r\n")
    shell.say("E")
    assert str(nouns["client"].ip) == "192.0.2.1"
    assert (nouns["client"].name, nouns["client"].port, nouns["client"].mta) == (
        "mx.example",
        0x1234,
        "postfix",
    )
    assert nouns["client"].macros == {"v": "Postfix 3.7.11", "j": "me"}
    assert nouns["greeting"].name == "helo.example"
    assert (nouns["sender"].user, nouns["sender"].announced_size) == ("joe", 9)
    assert [str(rcpt.address) for rcpt in nouns["envelope"].recipients] == ["b@example.org"]
    assert nouns["envelope"].recipients[0].arguments == ("NOTIFY=NEVER",)
    message = nouns["message"]
    assert [(header.name, header.value) for header in message.head.headers] == [("Subject", " hi")]
    assert (message.body, message.body_size) == (b"body\r\n", 6)
    assert message.client is nouns["client"]


def test_a_condition_on_content_sees_the_edits_of_those_before() -> None:
    tags = at("E", encode(AddHeader(b"X-Spam-Flag", b"YES")), frame(ord("c")))
    flagged = skip_if(Head, lambda head: not head.all("x-spam-flag"))
    shell = Shell([tags, PASS], [ChildSpec("m1"), when(flagged, name="m2")])
    play(shell)
    assert shell.letters("m2", 1) == "OCHMRTLLNBE"


def verdict_of(child: str, *words: str) -> Condition:
    @condition("verdict-of")
    def function(head: Head, verdicts: Verdicts) -> Applies:
        said = verdicts.of[child]
        return Apply(f"{child} said {said}") if said in words else Skip(f"{child} said {said}")

    return function


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (PASS, "continue"),
        (at("E", verdict("y", b"550 5.7.1 spam")), "reject"),
        (at("R", verdict("t")), "tempfail"),
        (at("E", verdict("a")), "accept"),
        (at("E", frame(ord("q"), b"odd\0"), verdict("c")), "quarantine"),
        (at("C", verdict("r")), "reject"),
    ],
)
def test_a_condition_hears_what_an_evaluated_child_said(script: Script, said: str) -> None:
    shell = Shell([script, PASS], [ChildSpec("m1", evaluate=True), when(verdict_of("m1", said), name="m2")])
    play(shell)
    assert shell.letters("m2", 1) == "OCHMRTLNBE"
    assert shell.records[-1].children["m2"].conditions["verdict-of"].because == f"m1 said {said}"


def test_a_condition_hears_that_a_child_was_left_out_or_lost() -> None:
    shell = Shell(
        [PASS, PASS, PASS],
        [
            when(skip_if(Client, lambda it: True)),
            ChildSpec("m2", on_error="accept"),
            when(verdict_of("m1", "skipped"), verdict_of("m2", "lost"), name="m3"),
        ],
    )
    play(shell)
    shell.down.add("m2")
    shell.reconnect()
    play(shell)
    assert shell.letters("m3", -1) == "OCHMRTLNBE"


@pytest.mark.parametrize(
    ("on_error", "answer"),
    [("tempfail", ("t", b"")), ("accept", ("c", b"")), ("reject", ("y", b"550 5.5.0 Service unavailable\0"))],
)
@pytest.mark.parametrize("noun", [Client, Sender, Message])
def test_a_condition_that_raises_is_a_fault_of_its_child(noun: type[Any], on_error: str, answer: Any) -> None:
    def fail(_: object) -> Applies:
        raise ValueError("no idea")

    shell = Shell([PASS, PASS], [when(of(noun, fail), on_error=on_error), ChildSpec("m2")])
    answers = [*play(shell), []]
    assert answer in [one for event in answers for one in event] or answer in shell.answers
    lost = shell.records[0].children["m1"].answers[-1]
    assert lost.verdict == "lost:condition"
    assert "condition test: ValueError: no idea at " in lost.text
    assert "test_conditions.py:" in lost.text


@pytest.mark.parametrize("on_error", ["tempfail", "accept", "quarantine"])
@pytest.mark.parametrize("noun", [Sender, Envelope, Message])
def test_a_condition_that_failed_for_one_message_may_hold_for_the_next(
    noun: type[Any], on_error: str
) -> None:
    failing = [True]

    def sometimes(_: object) -> Applies:
        return Apply() if not failing else Skip(str(failing.pop() / 0))

    shell = Shell([PASS], [when(of(noun, sometimes), on_error=on_error)])
    shell.open()
    first = [shell.say("M", b"<a@example.com>\0")]
    if first == [C]:
        first += [shell.say("R", b"<b@example.org>\0"), shell.say("T"), shell.content()]
    refused = [answer for event in first for answer in event if answer[0] == "t"]
    assert bool(refused) == (on_error == "tempfail")
    assert [answer for answer in first[-1] if answer[0] == "q"] == (
        [("q", b"default_action\0")] if on_error == "quarantine" else []
    )
    shell.say("A")
    assert play_message(shell) == [C, C, C, CONTENT]
    assert shell.letters("m1", 1) == "OCHMRTLNBE"


def test_a_condition_must_say_apply_or_skip_at_its_last_stage() -> None:
    shell = Shell([PASS], [when(of(Client, lambda it: None))])
    shell.open()
    assert shell.say("M", b"<a@example.com>\0")[0][0] == "t"
    shell.say("A")
    shell.run(shell.session.hangup())


def test_conditions_that_wait_are_asked_at_once_and_only_of_children_still_in() -> None:
    asked: list[str] = []

    def waits(name: str, child_skips: bool) -> Condition:
        @condition(name)
        async def function(client: Client) -> Applies:
            asked.append(name)
            await asyncio.sleep(0)
            return Skip("listed") if child_skips else Apply("clean")

        return function

    shell = Shell(
        [PASS, PASS, PASS],
        [
            when(skip_if(Client, lambda it: True), waits("a", False)),
            when(waits("b", True), name="m2"),
            when(waits("c", False), name="m3"),
        ],
    )
    play(shell)
    assert asked == ["b", "c"]
    assert [shell.records[0].children[name].verdict for name in ("m1", "m2", "m3")] == [
        "skipped",
        "skipped",
        "continue",
    ]


def test_a_port_is_asked_for_each_time() -> None:
    loads = iter([Load(1, 100), Load(99, 100)])

    @condition("no-stress")
    def no_stress(sender: Sender, load: Load) -> Applies:
        return Skip("busy") if load.sessions > 75 else Apply()

    shell = Shell([PASS], [when(no_stress)], ports={Load: lambda: next(loads)})
    play(shell)
    shell.say("A")
    play_message(shell)
    assert [record.children["m1"].verdict for record in shell.records] == ["continue", "skipped"]


def test_the_mta_is_asked_for_the_events_and_macros_that_conditions_need() -> None:
    """A child that wants nothing but the body, and a list of macros, may not blind the conditions."""
    answer = Negotiation(
        actions=Action.ADDHDRS | Action.SETSYMLIST,
        protocol=Protocol.NOCONNECT | Protocol.NOHELO | Protocol.NOMAIL | Protocol.NORCPT | Protocol.NODATA,
        symlists=((int(MacroStage.MAIL), b"{mail_addr}"),),
    )
    shell = Shell([Script(negotiate=answer)], [when(skip_if(Sender, lambda it: it.user is None))])
    shell.say("O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
    agreement = shell.session.state.agreement
    assert agreement is not None
    assert not agreement.answer.protocol & Protocol.NOMAIL
    assert agreement.answer.protocol & Protocol.NORCPT
    assert b"{auth_authen}" in dict(agreement.answer.symlists)[int(MacroStage.MAIL)]


def test_recipients_that_the_mta_refuses_are_none() -> None:
    shell = Shell([PASS], [when(any_recipient("b.example"))])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    shell.say("R", b"<x@b.example>\0", {b"{rcpt_mailer}": b"error"})
    assert recipients(shell, b"y@a.example") == [C]
    shell.say("T")
    shell.content()
    assert shell.letters("m1") == "OQ"
    assert (
        shell.records[0].children["m1"].conditions["recipient-domain"].because
        == "nobody of b.example among 1"
    )
