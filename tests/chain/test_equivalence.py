"""Asking at once, in bursts and beside each other gives what asking in turn, one packet at a time, gives."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.api import (
    Applies,
    Apply,
    Client,
    Envelope,
    Greeting,
    Head,
    Message,
    Sender,
    Skip,
    condition,
)
from postmill.api.conditions import Use
from postmill.chain.child import ChildSpec
from postmill.testing.script import Close, Negotiation, Rule, Script, Send
from postmill.wire.codes import Action, Protocol
from postmill.wire.framing import frame
from tests.chain.playbook import Shell, verdict

VERDICTS = [
    verdict(letter, text)
    for letter, text in (
        ("c", b""),
        ("a", b""),
        ("r", b""),
        ("t", b""),
        ("d", b""),
        ("y", b"550 5.7.1 no"),
        ("y", b"451 4.7.1 later"),
        ("s", b""),
    )
]
EDITS = [
    frame(ord("h"), b"X-A\0added\0"),
    frame(ord("i"), b"\0\0\0\0X-I\0first\0"),
    frame(ord("i"), b"\0\0\0\1X-A\0second\0"),
    frame(ord("m"), b"\0\0\0\1Subject\0changed\0"),
    frame(ord("m"), b"\0\0\0\1X-A\0\0"),
    frame(ord("b"), b"new body\n"),
    frame(ord("+"), b"<more@example.org>\0"),
    frame(ord("-"), b"<b@example.org>\0"),
    frame(ord("e"), b"<other@example.com>\0"),
    frame(ord("q"), b"held\0"),
]
ANSWERS: list[Send | Close] = [*map(Send, VERDICTS), Send(frame(ord("Z"))), Close()]
EDIT_FLAGS = Action.ADDHDRS | Action.CHGHDRS | Action.CHGBODY


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """One rule: a verdict or a fault somewhere, or edits at the end."""
    message = draw(st.sampled_from([None, 1, 2]))
    if draw(st.booleans()):
        stage = draw(st.sampled_from("CHMRTLNBE"))
        step = draw(st.sampled_from(ANSWERS))
        return Rule(stage, (step,), message=None if stage in "CH" else message)
    edits = [e for e in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4)) if e[4:5] != b"b"]
    if draw(st.booleans()):
        edits.append(EDITS[5])
    return Rule("E", (*map(Send, edits), Send(draw(st.sampled_from(VERDICTS[:3])))), message=message)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """A child: what it negotiates and up to three rules. One without edit flags does not edit."""
    edits = draw(st.booleans())
    protocol = draw(
        st.sampled_from(
            [
                0,
                0,
                Protocol.SKIP,
                Protocol.NOBODY,
                Protocol.NOHDRS,
                Protocol.NOHELO | Protocol.NODATA,
                Protocol.NR_HDR,
                Protocol.HDR_LEADSPC,
                Protocol.NR_HDR | Protocol.NR_EOH | Protocol.NR_BODY,
            ]
        )
    )
    chosen = draw(st.lists(rules(), max_size=3))
    if not edits:
        chosen = [rule for rule in chosen if rule.at != "E" or len(rule.steps) == 1]  # type: ignore[arg-type]
    return Script(
        Negotiation(actions=0x1FF if edits else 0x1FF & ~EDIT_FLAGS, protocol=int(protocol)), chosen
    )


def specs_for(scripts: list[Script], **spec: object) -> list[ChildSpec]:
    return [ChildSpec(f"m{number}", **spec) for number in range(1, len(scripts) + 1)]  # type: ignore[arg-type]


Answer = list[tuple[str, bytes]]
"""What the MTA is told at one event: edits, then a verdict."""

CONTINUE: Answer = [("c", b"")]
ACCEPT: Answer = [("a", b"")]


def play(
    scripts: list[Script],
    on_error: str,
    *,
    in_turn: bool,
    pipeline: bool,
    specs: list[ChildSpec] | None = None,
) -> tuple[list[list[Answer]], list[object]]:
    """Two messages in one session; return what the MTA heard, before them and of each, and what their records say."""
    specs = specs or specs_for(scripts, on_error=on_error, pipeline=pipeline)
    shell = Shell(scripts, specs, in_turn=in_turn)
    shell.open()
    shell.session.state.negotiations = shell.negotiations
    shell.say("Q")
    shell.reconnect()
    heard = [[shell.open()]]
    for number in (1, 2):
        message = [shell.say("M", b"<a@example.com>\0")]
        if message[0][0][0] == "c":
            answers = [shell.say("R", to) for to in (b"<b@example.org>\0", b"<c@example.org>\0")]
            message += answers
            if any(answer[0][0] == "c" for answer in answers) and all(a[0][0] not in "ad" for a in answers):
                message.append(shell.say("T"))
                if message[-1][0][0] == "c":
                    message.append(shell.content([(b"Subject", b"x"), (b"X-A", str(number).encode())]))
        heard.append(message)
        shell.say("A")
    shell.say("Q")
    return heard, [(record.verdict, record.by) for record in shell.records]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(scripts(), min_size=1, max_size=3),
    st.sampled_from(["tempfail", "accept", "reject", "quarantine"]),
)
def test_at_once_is_as_in_turn(children: list[Script], on_error: str) -> None:
    plain = play(children, on_error, in_turn=True, pipeline=False)
    fast = play(children, on_error, in_turn=False, pipeline=True)
    assert fast == plain


FAULTS = ANSWERS[-2:]


def _speaks_at_the_end(rule: Rule) -> bool:
    assert isinstance(rule.steps, tuple)
    return rule.at == "E" and not any(step in FAULTS for step in rule.steps)


NOUNS = (Client, Greeting, Sender, Envelope, Head, Message)


def always(noun: type, answer: Applies) -> Use:
    """A condition that is decided at one stage, and always in the same way."""

    def function(noun):  # type: ignore[no-untyped-def]
        return answer

    function.__annotations__["noun"] = noun
    return Use("always", condition("always")(function))


def check_the_same_for_the_mta(with_it: list[list[Answer]], without: list[list[Answer]]) -> None:
    """Where all others accept, somebody may still be asked later: the MTA goes on, and nothing comes of it."""
    for mine, others in zip(with_it, without, strict=True):
        if ACCEPT in others:
            end = others.index(ACCEPT)
            assert mine[:end] == others[:end]
            assert all(answer in (CONTINUE, ACCEPT) for answer in mine[end:])
        else:
            assert mine == others


def without_leading_space(child: Script) -> Script:
    """Who negotiates it changes how the MTA and all of us write headers, asked or not."""
    answer = child.negotiate
    return replace(child, negotiate=replace(answer, protocol=answer.protocol & ~Protocol.HDR_LEADSPC))


@settings(max_examples=200, deadline=None)
@given(st.lists(scripts(), min_size=2, max_size=3), st.integers(0, 2), st.sampled_from(NOUNS), st.booleans())
def test_who_is_left_out_is_as_if_not_there(
    children: list[Script], position: int, noun: type, in_turn: bool
) -> None:
    position %= len(children)
    children[position] = without_leading_space(children[position])
    specs = specs_for(children, pipeline=not in_turn)
    others = [spec for spec in specs if spec is not specs[position]]
    specs[position] = replace(specs[position], when=(always(noun, Skip("so")),))
    rest = [script for number, script in enumerate(children) if number != position]
    with_it, _ = play(children, "tempfail", specs=specs, in_turn=in_turn, pipeline=not in_turn)
    without, _ = play(rest, "tempfail", specs=others, in_turn=in_turn, pipeline=not in_turn)
    check_the_same_for_the_mta(with_it, without)


@settings(max_examples=200, deadline=None)
@given(st.lists(scripts(), min_size=1, max_size=3), st.lists(st.sampled_from(NOUNS), min_size=3, max_size=3))
def test_conditions_that_hold_change_nothing(children: list[Script], nouns: list[type]) -> None:
    """As long as children speak at the end of the message only: who comes late cannot speak, or fail, before."""
    children = [replace(child, rules=tuple(filter(_speaks_at_the_end, child.rules))) for child in children]
    specs = specs_for(children)
    applying = [
        replace(spec, when=(always(noun, Apply()),)) for spec, noun in zip(specs, nouns, strict=False)
    ]
    plain = play(children, "tempfail", in_turn=False, pipeline=True)
    assert play(children, "tempfail", in_turn=False, pipeline=True, specs=applying) == plain


def test_the_property_notices_a_difference() -> None:
    refusing = Script(rules=(Rule("M", (Send(verdict("r")),)),))
    heard = play([Script(), refusing], "tempfail", in_turn=True, pipeline=False)
    assert heard != play([Script(), replace(refusing, rules=())], "tempfail", in_turn=True, pipeline=False)
