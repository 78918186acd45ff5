"""The chain's rules one by one, each as a short conversation (protocol §9)."""

from __future__ import annotations

import pytest

from postmill.chain.child import ChildSpec
from postmill.testing.script import Close, Negotiation, Rule, Script, Send, StopAnswering
from postmill.wire.codes import Protocol
from postmill.wire.framing import frame
from tests.chain.playbook import Shell, verdict

C = [("c", b"")]
PASS = Script()


def at(stage: str, *packets: bytes, **when: int) -> Script:
    """A child that sends these packets at a stage."""
    return Script(rules=(Rule(stage, tuple(map(Send, packets)), **when),))  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [1, 2, 3])
@pytest.mark.parametrize(
    "reply", [verdict("r"), verdict("t"), verdict("y", b"550-5.7.1 two\r\n550 5.7.1 lines")]
)
@pytest.mark.parametrize("stage", list("CHMT"))
def test_the_first_refusal_in_order_is_the_answer(stage: str, reply: bytes, position: int) -> None:
    scripts = (
        [PASS] * (position - 1)
        + [at(stage, reply)]
        + [at(stage, verdict("y", b"451 4.0.0 behind"))] * (3 - position)
    )
    shell = Shell(scripts)
    answers = {}
    shell.say("O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
    answers["C"] = shell.say("C", b"client\x004\x12\x34192.0.2.1\0")
    answers["H"] = shell.say("H", b"client\0")
    answers["M"], _, answers["T"] = shell.envelope()
    assert answers[stage] == [(chr(reply[4]), reply[5:])]


def test_a_connection_verdict_is_given_to_every_later_event() -> None:
    shell = Shell([PASS, at("C", verdict("y", b"550 5.7.1 go away")), PASS])
    shell.open()
    refused = [("y", b"550 5.7.1 go away\0")]
    assert shell.say("M", b"<a@example.com>\0") == refused
    assert shell.say("A") == []
    assert shell.say("M", b"<a@example.com>\0") == refused
    assert "M" not in "".join(shell.letters("m3", n) for n in range(len(shell.seen["m3"])))


def test_accept_takes_one_child_out_of_one_message() -> None:
    shell = Shell([at("M", verdict("a"), message=1), PASS])
    shell.open()
    assert shell.envelope() == [C, C, C]
    assert shell.content()[-1] == ("c", b"")
    assert shell.letters("m1") == "OCHM"
    shell.say("A")
    shell.envelope()
    shell.content()
    assert shell.letters("m1") == "OCHMAMRTLNBE"


def test_when_all_children_accepted_the_mta_need_not_go_on() -> None:
    shell = Shell([at("M", verdict("a")), at("R", verdict("a"))])
    shell.open()
    assert shell.say("M", b"<a@example.com>\0") == C
    assert shell.say("R", b"<b@example.org>\0") == [("a", b"")]


def test_a_held_message_is_not_accepted_before_its_end() -> None:
    shell = Shell([at("M", frame(ord("q"), b"why\0"), verdict("a"))])
    shell.open()
    assert shell.envelope() == [C, C, C]
    assert shell.content() == [("q", b"why\0"), ("c", b"")]
    shell.say("A")
    shell.scripts["m1"] = PASS
    shell.say("M", b"<a@example.com>\0")


def test_a_refused_recipient_does_not_reach_later_children() -> None:
    shell = Shell([at("R", verdict("r"), nth=1), PASS])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    assert shell.say("R", b"<bad@example.org>\0") == [("r", b"")]
    assert shell.say("R", b"<good@example.org>\0") == C
    assert [data for letter, data in shell.seen["m2"][0] if letter == "R"] == [b"<good@example.org>\0"]


@pytest.mark.parametrize("stage", list("LNBE"))
@pytest.mark.parametrize("letter", list("rtd"))
@pytest.mark.parametrize("cut_short", [True, False])
def test_a_verdict_on_one_message_does_not_reach_the_next(stage: str, letter: str, cut_short: bool) -> None:
    shell = Shell([at(stage, verdict(letter), message=1), PASS])
    shell.open()
    shell.envelope()
    assert shell.content() == [(letter, b"")]
    if cut_short:
        shell.say("A")
    assert shell.envelope() == [C, C, C]
    assert shell.content() == C
    for child in ("m1", "m2"):
        assert shell.letters(child).endswith("MRTLNBE")


def test_nothing_of_a_refused_message_is_edited() -> None:
    edits = [frame(ord("h"), b"X\0y\0"), frame(ord("+"), b"<x@example.org>\0")]
    shell = Shell([at("E", *edits, verdict("c")), at("E", verdict("r"))])
    shell.open()
    shell.envelope()
    assert shell.content() == [("r", b"")]


def test_later_children_see_edited_content_but_not_the_edited_envelope() -> None:
    edits = [
        frame(ord("m"), b"\0\0\0\1SUBJECT\0new\0"),
        frame(ord("i"), b"\0\0\0\0X-Top\0v\0"),
        frame(ord("-"), b"<b@example.org>\0"),
        frame(ord("b"), b"one\ntwo"),
    ]
    shell = Shell([at("E", *edits, verdict("c")), PASS])
    shell.open()
    shell.envelope()
    answer = shell.content()
    assert [(letter, data) for letter, data in shell.seen["m2"][0] if letter in "RLB"] == [
        ("R", b"<b@example.org>\0"),
        ("L", b"X-Top\0v\0"),
        ("L", b"SUBJECT\0new\0"),
        ("B", b"one\r\ntwo\r\n"),
    ]
    assert [letter for letter, _ in answer] == ["m", "i", "-", "b", "c"]
    assert answer[-2] == ("b", b"one\ntwo")


def test_body_replacements_of_two_children_go_up_as_one_run() -> None:
    first = [frame(ord("b"), b"1\n"), frame(ord("h"), b"X-1\0v\0")]
    second = [frame(ord("h"), b"X-2\0v\0"), frame(ord("b"), b"2"), frame(ord("b"), b"2\n")]
    shell = Shell([at("E", *first, verdict("c")), at("E", *second, verdict("c"))])
    shell.open()
    shell.envelope()
    assert shell.content() == [("h", b"X-1\0v\0"), ("h", b"X-2\0v\0"), ("b", b"22\n"), ("c", b"")]


def test_a_split_body_replacement_is_a_configuration_error() -> None:
    split = [frame(ord("b"), b"1"), frame(ord("h"), b"X\0v\0"), frame(ord("b"), b"2")]
    shell = Shell([at("E", *split, verdict("c"))])
    shell.open()
    shell.envelope()
    assert shell.content() == [("y", b"451 4.3.5 Server configuration problem - try again later\0")]


@pytest.mark.parametrize(
    ("on_error", "answer"),
    [
        ("accept", [("c", b"")]),
        ("tempfail", [("t", b"")]),
        ("reject", [("y", b"550 5.5.0 Service unavailable\0")]),
        ("shutdown", [("y", b"421 4.7.1 Service unavailable - try again later\0")]),
        ("discard", [("d", b"")]),
        ("quarantine", [("q", b"default_action\0"), ("c", b"")]),
    ],
)
@pytest.mark.parametrize("fault", [Close(), StopAnswering()])
@pytest.mark.parametrize("stage", list("LNBE"))
def test_a_child_lost_in_the_content_has_edited_nothing(
    stage: str, fault: object, on_error: str, answer: list[tuple[str, bytes]]
) -> None:
    half = (Send(frame(ord("b"), b"half")), fault) if stage == "E" else (fault,)
    lost = Script(rules=(Rule(stage, half),))  # type: ignore[arg-type]
    shell = Shell([lost, PASS], [ChildSpec("m1", on_error=on_error), ChildSpec("m2")])
    shell.open()
    shell.envelope()
    assert shell.content() == answer
    shell.say("A")
    if on_error in ("accept", "quarantine"):
        assert shell.letters("m2").endswith("MRTLNBE")
        assert shell.envelope() == [C, C, C]
        assert shell.content() == answer
    else:
        assert shell.say("M", b"<a@example.com>\0") == answer


def test_a_child_that_cannot_be_reached_decides_from_the_first_event_on() -> None:
    shell = Shell([PASS, PASS])
    shell.down = {"m2"}
    assert shell.open() == [("t", b"")]
    assert shell.say("M", b"<a@example.com>\0") == [("t", b"")]
    shell.down = set()
    shell.say("Q")
    shell.reconnect()
    assert shell.open() == C


def test_an_evaluated_child_decides_nothing_and_edits_nothing() -> None:
    edits = at("E", frame(ord("h"), b"X\0y\0"), verdict("y", b"550 5.7.1 evaluated"))
    specs = [ChildSpec("m1", evaluate=True), ChildSpec("m2")]
    shell = Shell([edits, at("E", verdict("r"))], specs)
    shell.open()
    shell.envelope()
    assert shell.content() == [("r", b"")]
    assert shell.letters("m2").endswith("LNBE")
    record = shell.records[-1]
    assert (record.by, record.children["m1"].verdict, record.children["m1"].edits) == ("m2", "reject", {})


@pytest.mark.parametrize("letter", list("ad"))
def test_unknown_outside_a_message_cannot_accept_or_discard(letter: str) -> None:
    shell = Shell([at("U", verdict(letter))])
    shell.open()
    assert shell.say("U", b"XYZZY\0") == C
    assert shell.envelope() == [C, C, C]
    assert shell.content() == C


def test_mail_without_abort_is_abort_and_mail() -> None:
    shell = Shell([PASS])
    shell.open()
    shell.envelope()
    shell.envelope()
    shell.content()
    assert shell.letters("m1") == "OCHMRTAMRTLNBE"


def test_abort_twice_and_helo_in_a_message_are_harmless() -> None:
    shell = Shell([PASS])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    assert shell.say("H", b"again\0") == C
    shell.say("A")
    shell.say("A")
    shell.envelope()
    assert shell.content() == C
    assert shell.letters("m1") == "OCHMHAAMRTLNBE"


def test_a_refused_data_leaves_the_transaction_open() -> None:
    shell = Shell([at("T", verdict("t"), nth=1), PASS])
    shell.open()
    assert shell.envelope()[-1] == [("t", b"")]
    assert shell.say("R", b"<c@example.org>\0") == C
    assert shell.say("T") == C
    assert shell.content() == C
    assert [shell.letters("m2", number) for number in (0, 1)] == ["OCHMRTAQ", "OCHMRRTLNBE"]


@pytest.mark.parametrize("stage", "CHMT")
def test_what_a_child_makes_of_a_needless_question_has_no_consequence(stage: str) -> None:
    refuser = at(stage, verdict("r")) if stage in "CH" else at(stage, verdict("r"), message=1)
    breaking = Script(rules=(Rule(stage, (Close(),), connection=1),))
    shell = Shell([refuser, breaking])
    shell.open()
    assert "r" in str(shell.envelope())
    shell.say("A")
    again = shell.envelope()
    assert again == ([[("r", b"")]] * 3 if stage in "CH" else [C] * 3)


def test_a_child_lost_before_a_needless_question_stays_lost() -> None:
    lost = Script(rules=(Rule("L", (Close(),)),))
    shell = Shell([at("M", verdict("r"), message=2), lost])
    shell.open()
    shell.envelope()
    assert shell.content() == [("t", b"")]
    assert shell.say("M", b"<b@example.com>\0") == [("r", b"")]
    assert shell.say("M", b"<c@example.com>\0") == [("t", b"")]
    assert len(shell.seen["m2"]) == 1


def test_unknown_commands_go_in_turn() -> None:
    shell = Shell([at("U", verdict("r")), PASS])
    shell.open()
    assert shell.say("U", b"XYZZY\0") == [("r", b"")]
    assert shell.letters("m2") == "OCH"


def test_a_recipient_of_the_mta_itself_goes_only_to_who_asked_for_it() -> None:
    wants = Script(Negotiation(protocol=int(Protocol.RCPT_REJ)), (Rule("R", (Send(verdict("r")),)),))
    shell = Shell([wants, PASS])
    shell.open()
    shell.say("M", b"<a@example.com>\0")
    rejected = {b"{rcpt_mailer}": b"error", b"{rcpt_host}": b"5.1.1"}
    assert shell.say("R", b"<nobody@example.org>\0", rejected) == C
    assert "R" in shell.letters("m1")
    assert "R" not in shell.letters("m2")


def test_each_child_gets_its_own_macros_in_its_own_spelling() -> None:
    own = Script(Negotiation(symlists=((2, b"mail_addr {i} nosuch"),)))
    shell = Shell([own, PASS])
    shell.open()
    assert shell.session.state.agreement is not None
    assert dict(shell.session.state.agreement.answer.symlists)[2].startswith(b"{mail_addr} i {nosuch}")
    shell.say(
        "M", b"<a@example.com>\0", {b"i": b"ID", b"{auth_type}": b"PLAIN", b"{mail_addr}": b"a@example.com"}
    )
    macros = {
        name: [data for letter, data in shell.seen[name][0] if letter == "D"][-1] for name in ("m1", "m2")
    }
    assert macros["m1"] == b"Mmail_addr\0a@example.com\0{i}\0ID\0"
    assert macros["m2"] == b"Mi\0ID\0{auth_type}\0PLAIN\0{mail_addr}\0a@example.com\0"


def test_a_child_that_answers_otherwise_later_cannot_have_more_than_was_agreed() -> None:
    modest = Script(Negotiation(actions=0, protocol=int(Protocol.NOBODY)))
    shell = Shell([modest])
    shell.open()
    shell.say("Q")
    shell.scripts["m1"] = PASS
    shell.reconnect()
    assert shell.open() == [("y", b"451 4.3.5 Server configuration problem - try again later\0")]
    shell.say("Q")
    shell.reconnect()
    assert shell.open() == C


def test_a_large_body_reaches_everybody_whole() -> None:
    body = bytes(range(256)) * 4096
    shell = Shell([PASS, Script(Negotiation(actions=0)), PASS])
    shell.open()
    shell.envelope()
    for start in range(0, len(body), 65535):
        shell.say("B", body[start : start + 65535])
    assert shell.say("E") == C
    for child in ("m1", "m2", "m3"):
        assert b"".join(data for letter, data in shell.seen[child][0] if letter == "B") == body


def test_a_message_above_the_limit_is_refused_and_the_next_one_is_not() -> None:
    shell = Shell([PASS], max_message_size=10)
    shell.open()
    shell.envelope()
    assert shell.content(body=b"12345678901") == [
        ("y", b"552 5.3.4 Message size exceeds the limit of the mail filters\0")
    ]
    shell.envelope()
    assert shell.content(body=b"1234567890") == C


BAD_TEXT = frame(ord("y"), b"550-5.7.1 no last line\0")


@pytest.mark.parametrize(
    ("switch", "stage", "packet", "safe", "copied"),
    [
        (
            "shutdown",
            "E",
            verdict("4"),
            ("y", b"421 4.7.0 Service unavailable - try again later\0"),
            ("4", b""),
        ),
        (
            "reply-text",
            "M",
            BAD_TEXT,
            ("y", b"451 4.3.5 Server configuration problem - try again later\0"),
            None,
        ),
        ("unknown-verdicts", "U", verdict("a"), ("c", b""), ("a", b"")),
    ],
)
def test_a_switch_copies_postfix(
    switch: str, stage: str, packet: bytes, safe: tuple[str, bytes], copied: tuple[str, bytes] | None
) -> None:
    for switches, expected in ((frozenset(), safe), (frozenset({switch}), copied or ("y", packet[5:]))):
        shell = Shell([at(stage, packet)], same_as_postfix=switches)
        shell.open()
        if stage == "U":
            assert shell.say("U", b"XYZZY\0") == [expected]
            continue
        first = shell.say("M", b"<a@example.com>\0")
        if stage == "M":
            assert first == [expected]
            continue
        shell.say("R", b"<b@example.org>\0")
        assert shell.content() == [expected]


def test_a_child_lost_in_the_content_is_missed_at_the_next_event_it_wants() -> None:
    lost = Script(Negotiation(protocol=int(Protocol.NOMAIL)), (Rule("L", (Close(),)),))
    shell = Shell([lost])
    shell.open()
    shell.envelope()
    assert shell.content() == [("t", b"")]
    shell.say("A")
    assert shell.say("R", b"<b@example.org>\0") == [("t", b"")]


def test_an_answer_that_was_forgotten_is_asked_for_again() -> None:
    shell = Shell([Script(Negotiation(actions=0))])
    shell.open()
    shell.say("Q")
    shell.negotiations.forget("m1")
    shell.scripts["m1"] = PASS
    shell.reconnect()
    assert shell.open() == C


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (b"one\r\n two", b"one\n two"),
        (b"one\nX-Smuggled: yes", b"one\n\tX-Smuggled: yes"),
        (b"", b""),
        (b" kept", b" kept"),
        (b"v" * 70000, b"v" * 60000),
    ],
)
def test_a_header_value_stays_one_header(value: bytes, sent: bytes) -> None:
    shell = Shell([at("E", frame(ord("h"), b"X-A\0" + value + b"\0"), verdict("c"))])
    shell.open()
    shell.envelope()
    assert shell.content() == [("h", b"X-A\0" + sent + b"\0"), ("c", b"")]
