"""The differential test must be able to fail: its parts alone, and real arrangements that are not the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.interop.differential import clients, edits, families, generate, matrix, modes
from tests.interop.differential.compare import compare
from tests.interop.differential.dialogues import MANY_HEADERS, MESSAGE, ONE_MESSAGE, TWO_MESSAGES
from tests.interop.differential.lane import Lane
from tests.interop.differential.normal import aborts_where_they_matter, sessions
from tests.interop.differential.observation import ANSWER, Connection, Observation, Packet
from tests.interop.differential.permitted import Case, excuse
from tests.interop.differential.plays import (
    CONTINUE,
    add_header,
    add_rcpt,
    change_from,
    insert_header,
    quarantine,
    replace_body,
    reply,
    rule,
)
from tests.interop.differential.scenario import Child, ManagerSettings, Scenario, from_json
from tests.interop.differential.secured import missing, playable
from tests.interop.differential.shrink import shrink

RECORDED = [*families.recorded(), *clients.recorded()]
SHELVES = (clients, edits, families, matrix, modes)
PLAIN = Scenario("plain", (Child(), Child()), MANY_HEADERS)


def ending(*steps: tuple[str, ...]) -> Scenario:
    """Two filters, of which the first does this at the end of the message."""
    return replace(PLAIN, children=(Child((rule("E", *steps, CONTINUE),)), Child()))


@pytest.fixture(scope="module")
def direct_twice() -> Iterator[Lane]:
    """Two arrangements with the filters listed directly: they may not differ."""
    with Lane([PLAIN, *filter(playable, RECORDED)], ("direct", "direct")) as lane:
        yield lane


def test_every_shelf_survives_json() -> None:
    shelves = [scenario for shelf in SHELVES for scenario in shelf.scenarios()]
    shelves += generate.scenarios(1, 50)
    assert [from_json(scenario.to_json()) for scenario in shelves] == shelves


def test_names_are_unique() -> None:
    names = [scenario.name for shelf in SHELVES for scenario in shelf.scenarios()]
    assert len(names) == len(set(names))


def test_the_same_seed_gives_the_same_scenarios() -> None:
    assert list(generate.scenarios(5, 20)) == list(generate.scenarios(5, 20))
    assert list(generate.scenarios(5, 20)) != list(generate.scenarios(6, 20))


def code(answer: str) -> str:
    """The reply code of an SMTP server, or the exit status of a program."""
    return "EOF" if answer.startswith("(co") else answer.removeprefix("exit status ").split("\n")[0][:3]


@pytest.mark.parametrize("scenario", [s for s in RECORDED if s.expect], ids=lambda scenario: scenario.name)
def test_direct_side_does_what_was_recorded(direct_twice: Lane, scenario: Scenario) -> None:
    if not playable(scenario):
        pytest.skip(missing())
    outcome = direct_twice.run(scenario)
    seen = [
        f"{number}:{connection.letters}"
        for number, child in enumerate(outcome.direct.children, 1)
        for connection in child
    ]
    codes = " ".join(code(answer.decode("latin-1")) for _, answer in outcome.direct.replies)
    assert (codes, *seen) == scenario.expect
    assert outcome.same, outcome.report()


WRONG = {
    "edit lost": (ending(add_header("X-A", "1")), ending()),
    "edit value": (ending(add_header("X-A", "1")), ending(add_header("X-A", "2"))),
    "edit order": (
        ending(insert_header(1, "X-A", "1"), insert_header(1, "X-A", "2")),
        ending(insert_header(1, "X-A", "2"), insert_header(1, "X-A", "1")),
    ),
    "body": (ending(replace_body("one\r\n")), ending(replace_body("two\r\n"))),
    "recipient": (ending(add_rcpt("more@example.org")), ending()),
    "sender": (ending(change_from("other@example.com")), ending()),
    "held": (ending(quarantine()), ending()),
    "verdict": (ending(), replace(PLAIN, children=(Child((rule("E", reply("r")),)), Child()))),
    "reply text": (
        replace(PLAIN, children=(Child((rule("R", reply("y", "550 5.7.1 one\0")),)), Child())),
        replace(PLAIN, children=(Child((rule("R", reply("y", "550 5.7.1 two\0")),)), Child())),
    ),
    "order of filters": (
        replace(PLAIN, children=(Child((rule("M", reply("r"), nth=1),)), Child())),
        replace(PLAIN, children=(Child(), Child((rule("M", reply("r"), nth=1),)))),
    ),
    "macros": (PLAIN, replace(PLAIN, children=(Child(symlists=((2, "{mail_addr}"),)), Child()))),
    "missing event": (PLAIN, replace(PLAIN, children=(Child(protocol=0x8), Child()))),
    "accept forgotten": (
        replace(PLAIN, client=TWO_MESSAGES, children=(Child((rule("M", reply("a"), message=1),)), Child())),
        replace(PLAIN, client=TWO_MESSAGES),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_same_is_reported(direct_twice: Lane, name: str) -> None:
    right, wrong = WRONG[name]
    left, other = direct_twice.pair(right, wrong)
    assert compare(right, left, other).differences


def test_a_stale_queue_id_is_seen() -> None:
    packets: tuple[Packet, ...] = (("D", b"Ti\0#1\0"), ("T", b""), ("D", b"Ti\0#2\0"), ("T", b""))
    stale = (*packets[:2], packets[0], packets[3])
    one = Observation((), ((Connection(packets),),))
    other = Observation((), ((Connection(stale),),))
    assert compare(replace(PLAIN, children=(Child(),)), one, other).differences


def events(letters: str) -> tuple[Packet, ...]:
    """Packets without payload; lower case letters and digits are answers of the filter."""
    return tuple(
        (letter, b"") if letter.isupper() else (ANSWER, letter.encode("latin-1")) for letter in letters
    )


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("OoCcHcMcRcEcAMcEcAAQ", "OoCcHcMcRcEcMcEcQ", True),
        ("OoCcHcMcRcAMcEcAAQ", "OoCcHcMcRcMcEcQ", False),
        ("OoCcHcMcRcAMcEcAAQ", "OoCcHcMcRcAAMcEcQ", True),
        ("OoCcMcRcHcAMcEcAAQ", "OoCcMcRcAHcMcEcQ", True),
        ("OoCcMrAMcEcQ", "OoCcMrMcEcQ", True),
        ("OoCcMcRrAMcEcQ", "OoCcMcRrMcEcQ", False),
        ("OoCcMcRaAMcEcQ", "OoCcMcRaMcEcQ", True),
    ],
)
def test_aborts_count_only_where_a_message_is_open(left: str, right: str, same: bool) -> None:
    assert (aborts_where_they_matter(events(left)) == aborts_where_they_matter(events(right))) is same


def seen(scenario: Scenario, *links: str) -> list[str]:
    """The letters that are compared of these links."""
    forms = sessions(scenario, [Connection(events(link)) for link in links])
    return ["".join(letter for letter, _ in form) for form in forms]


IN_TURN, POOLED, TOGETHER, SIDE_BY_SIDE = (
    replace(PLAIN, manager=ManagerSettings(), client=ONE_MESSAGE),
    replace(PLAIN, manager=ManagerSettings(pool=True)),
    replace(PLAIN, manager=ManagerSettings("parallel")),
    replace(PLAIN, client=(("smtp-source", "-s", "2"),)),
)


@pytest.mark.parametrize(
    ("scenario", "links", "compared"),
    [
        (IN_TURN, ("OoCcMcQ", "OoCcQ"), ["OCM", "OC"]),
        (POOLED, ("OoCcMcEcKCcMcEcQ",), ["OCME", "OCME"]),
        (POOLED, ("OoCcMcEcKCcMcEcK",), ["OCME", "OCME"]),
        (POOLED, ("OoCcMcEcKQ",), ["OCME"]),
        (POOLED, ("OoCcMcEcKMcEcQ",), ["OCME", "OME"]),
        (TOGETHER, ("OoCcMcQ", "OoCcMcRcEcQ"), ["OCMAMRE"]),
        (TOGETHER, ("OoCcHcMcEcQ", "OoCcHcMcEcQ"), ["OCHMEME"]),
        (TOGETHER, ("OoCcHcMcEcQ", "OoCcHcHcMcEcQ"), ["OCHMEHME"]),
        (TOGETHER, ("OoCcHcMcEcQ", "OoCcMcEcQ"), ["OCHME(no H)ME"]),
        (TOGETHER, ("OoCcHcMcEcQ", "OoHcMcEcQ"), ["OCHME(no C)ME"]),
        (TOGETHER, ("OoCcHcMcEcQ", "OoCcMcEcQ", "OoCcMcEcQ"), ["OCHME(no H)MEME"]),
        (SIDE_BY_SIDE, ("OoCcMcEcMcEcMcEcQ", "OoCcMcEcQ"), ["ME", "ME", "ME", "ME", "OC", "OC"]),
        (SIDE_BY_SIDE, ("OoCcMcEcMcEcQ", "OoCcMcEcMcEcQ"), ["ME", "ME", "ME", "ME", "OC", "OC"]),
        (SIDE_BY_SIDE, ("OoCcMcEcMcEcQ", "OoCcMcEcQ"), ["ME", "ME", "ME", "OC", "OC"]),
    ],
)
def test_links_are_compared_session_by_session(
    scenario: Scenario, links: tuple[str, ...], compared: list[str]
) -> None:
    assert seen(scenario, *links) == compared


REFUSER = Child((rule("C", reply("r")),))


@pytest.mark.parametrize(
    ("children", "ask", "direct", "behind", "name"),
    [
        ((REFUSER, Child()), "in-turn", "", "O", "negotiated_but_never_used"),
        ((REFUSER, Child()), "in-turn", "", "OC", None),
        ((REFUSER, Child()), "parallel", "", "OC", "asked_at_the_same_time"),
        ((Child(), REFUSER), "in-turn", "OCHM", "OC", "told_less_of_a_refused_connection"),
        ((Child(), Child()), "in-turn", "OCHM", "OC", None),
        ((Child(), REFUSER), "in-turn", "OCHM", "OCM", None),
        ((Child(), Child()), "parallel", "OCHMRTL", "OCHMR", None),
    ],
)
def test_excuses_cover_no_more_than_they_say(
    children: tuple[Child, ...], ask: str, direct: str, behind: str, name: str | None
) -> None:
    scenario = replace(PLAIN, children=children, manager=ManagerSettings(ask=ask))
    position = next(place for place, child in enumerate(children) if child is not REFUSER)
    if children == (Child(), Child()):
        position = 1
    assert excuse(Case(scenario, position, events(direct), events(behind))) == name


@pytest.mark.parametrize(("recipient", "name"), [(b"<a>", "asked_at_the_same_time"), (b"<b>", None)])
def test_a_recipient_may_be_told_again_but_no_other_one(recipient: bytes, name: str | None) -> None:
    scenario = replace(PLAIN, manager=ManagerSettings(ask="parallel"))
    told: tuple[Packet, ...] = (("M", b""), ("R", b"<a>"))
    again: tuple[Packet, ...] = (*told, ("T", b""), ("M", b""), ("R", recipient))
    assert excuse(Case(scenario, 1, told, again)) == name


def test_shrinking_keeps_what_matters() -> None:
    culprit = rule("E", add_header("X-A", "1"), add_header("X-B", "2"), CONTINUE, nth=1)
    big = Scenario(
        "big",
        (Child((rule("M", reply("c")), culprit), protocol=0x400), Child(protocol=0x1), Child()),
        (*TWO_MESSAGES, ("connect",), ("message", "X: y\r\n" + MESSAGE)),
    )

    def differs(scenario: Scenario) -> bool:
        edits_made = [step for child in scenario.children for each in child.rules for step in each.do]
        return add_header("X-B", "2") in edits_made and any(step[0] == "message" for step in scenario.client)

    small = shrink(big, differs)
    assert small.children == (Child((rule("E", add_header("X-B", "2")),)),)
    assert [step[0] for step in small.client] == ["message"]
    assert len(small.to_json()) < len(big.to_json())


def test_one_message_is_delivered(direct_twice: Lane) -> None:
    left, _ = direct_twice.pair(replace(PLAIN, client=ONE_MESSAGE))
    (delivery,) = left.delivered
    assert delivery.content.endswith(b"line one\r\nline two\r\n")
    assert delivery.recipients == (b"RCPT TO:<user1@example.org> ORCPT=rfc822;user1@example.org",)
