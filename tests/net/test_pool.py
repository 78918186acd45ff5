"""Links kept between sessions (protocol §6.8): proven once, kept in the right state, replaced when gone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import (
    CONTINUE,
    Close,
    Delay,
    Event,
    Negotiation,
    Rule,
    Script,
    Steps,
    StopAnswering,
)
from postmill.testing.words import reply
from postmill.wire.codes import Protocol
from tests.interop.postfix import wait_until
from tests.net.hosting import ServedChain, chain

POOL = {"pool": True, "timeouts": {"connect": "2s", "command": "1s", "content": "1s"}}
MESSAGE = "MRTLNBE"
PROBE = "OCUKC"


def pooled(script: Script | None = None, **settings: Any) -> Any:
    """A chain of one child whose links may be kept."""
    return chain(script or Script(), settings=[{**POOL, **settings}])


def begin(mta: FakeMta, version: int = 6) -> None:
    mta.negotiate(version)
    mta.client(macros={b"v": b"Postfix 3.7.11"})
    mta.helo()


def message(mta: FakeMta) -> str:
    words = [mta.mail().word, mta.rcpt().word, mta.data().word]
    if words != ["continue"] * 3:
        return str(words)
    mta.header(b"Subject", b"x")
    mta.end_of_headers()
    mta.body(b"text\r\n")
    return mta.end_of_message().word


def session(served: ServedChain, version: int = 6) -> str:
    """One message as Postfix sends it: two ABORTs and QUIT behind it."""
    with FakeMta(served.endpoint) as mta:
        begin(mta, version)
        word = message(mta)
        mta.abort()
        mta.abort()
        mta.quit()
    return word


def prove(served: ServedChain) -> ScriptedChild:
    """One session, and the trial that its end sets off."""
    assert session(served) == "continue"
    (child,) = served.children
    child.wait_until(lambda: len(child.connections) == 2)
    child.wait_closed(2)
    return child


def letters(child: ScriptedChild) -> list[str]:
    return [child.letters(connection.number) for connection in child.connections]


def test_a_link_is_kept_once_the_child_has_proven_itself() -> None:
    with pooled() as served:
        child = prove(served)
        for _ in range(4):
            assert session(served) == "continue"
        child.wait_until(lambda: child.letters(3).count("K") == 4)
        first, probe, kept = letters(child)
        assert first == f"OCH{MESSAGE}Q"
        assert probe == PROBE + "Q"
        assert kept == "O" + 4 * f"CH{MESSAGE}K"
        said = [event for event in child.events if event.code == "C"]
        assert len({event.payload for event in said}) == 1, "the trial greets as a client did"
    assert [connection.how for connection in child.connections] == ["quit"] * 3


@pytest.mark.parametrize("verdict", ["reject", "550 5.7.1 no", "tempfail", "discard", "accept"])
def test_other_verdicts_at_the_end_put_libmilter_into_another_state(verdict: str) -> None:
    """There it does not listen to QUIT_NC; after an UNKNOWN, that its filter never sees, it does."""
    rules = [Rule("E", (reply(verdict),))]
    said = verdict if verdict != "accept" else "continue"
    for protocol in (Protocol(0), Protocol.NOUNKNOWN):
        with pooled(Script(Negotiation(protocol=protocol), rules)) as served:
            assert session(served) == said
            (child,) = served.children
            child.wait_closed(2)
            for _ in range(3):
                assert session(served) == said
                if protocol:
                    child.wait_until(lambda child=child: letters(child)[2].endswith("UK"))
            if protocol:
                assert letters(child)[2] == "O" + 3 * f"CH{MESSAGE}UK"
            else:
                child.wait_closed(5)
                assert letters(child)[2:] == 3 * [f"OCH{MESSAGE}Q"]


def test_a_child_that_does_not_answer_the_unknown_is_left() -> None:
    rules = [Rule("E", (reply("reject"),)), Rule("U", (StopAnswering(),), connection=3)]
    with pooled(Script(Negotiation(protocol=Protocol.NOUNKNOWN), rules)) as served:
        assert session(served) == "reject"
        (child,) = served.children
        child.wait_closed(2)
        for _ in range(3):
            assert session(served) == "reject"
        child.wait_until(lambda: letters(child)[2].endswith("U") and child.connections[2].closed is not None)
        assert "lost" not in served.host.log


def test_two_messages_in_a_session_and_a_kept_link() -> None:
    with pooled() as served:
        child = prove(served)
        for _ in range(2):
            with FakeMta(served.endpoint) as mta:
                begin(mta)
                for _ in range(2):
                    assert message(mta) == "continue"
                    mta.abort()
                mta.abort()
                mta.quit()
        child.wait_until(lambda: child.letters(3).count("K") == 2)
        assert letters(child)[2] == "O" + 2 * f"CH{MESSAGE}{MESSAGE}K"


def ends(served: ServedChain, kind: str) -> None:
    """Sessions that end in a state from which no link may be kept."""
    with FakeMta(served.endpoint) as mta:
        begin(mta)
        if kind == "aborted":
            mta.mail()
            mta.abort()
        elif kind == "helo afterwards":
            message(mta)
            mta.helo()
        elif kind == "vanished":
            mta.mail()
            mta.rcpt()
            return
        elif kind == "message afterwards":
            message(mta)
            mta.mail()
        mta.quit()


@pytest.mark.parametrize("kind", ["helo", "aborted", "helo afterwards", "vanished", "message afterwards"])
def test_other_ends_are_ends_of_the_link(kind: str) -> None:
    with pooled() as served:
        child = prove(served)
        ends(served, kind)
        child.wait_closed(3)
        assert letters(child)[2].endswith("Q")
        assert "K" not in letters(child)[2]
        assert session(served) == "continue"
        child.wait_until(lambda: child.letters(4).endswith("K"))


def test_unknown_is_a_state_from_which_a_link_is_kept() -> None:
    with pooled() as served:
        child = prove(served)
        for _ in range(2):
            with FakeMta(served.endpoint) as mta:
                begin(mta)
                mta.unknown(b"XYZZY")
                mta.quit()
        child.wait_until(lambda: child.letters(3) == "OCHUKCHUK")


UNWILLING = {
    "silent": Script(rules=[Rule("K", (StopAnswering(),))]),
    "closing": Script(rules=[Rule("K", (Close(),))]),
    "talkative": Script(rules=[Rule("K", (CONTINUE,))]),
    "hesitant": Script(rules=[Rule("K", (Delay(0.3), CONTINUE))]),
}


@pytest.mark.parametrize("kind", UNWILLING)
def test_a_child_that_does_not_honour_it_is_found_out(kind: str) -> None:
    """Nobody but the trial ever waits for such a child."""
    with pooled(UNWILLING[kind]) as served:
        child = prove(served)
        said = [session(served) for _ in range(5)]
        assert said == ["continue"] * 5
        child.wait_closed(7)
        assert "K" in letters(child)[1]
        assert letters(child)[3:] == [f"OCH{MESSAGE}Q"] * 4
        assert letters(child)[2] == f"OCH{MESSAGE}Q"
        assert "does not honour QUIT_NC" in served.host.log
        assert "lost" not in served.host.log


def test_a_child_that_no_longer_honours_it_is_not_asked_again() -> None:
    """It passed the trial, then fell silent on a kept link: one session pays, no other."""
    counter = itertools.count()

    def greet(event: Event) -> Steps:
        if event.connection == 3 and next(counter) == 1:
            return (StopAnswering(),)
        return (CONTINUE,)

    stubborn = Script(rules=[Rule("C", greet)])
    with pooled(stubborn, on_error="accept") as served:
        child = prove(served)
        assert session(served) == "continue"
        child.wait_until(lambda: child.letters(3).endswith("K"))
        words = [session(served) for _ in range(3)]
        assert words[0] != "continue", "it is the only child, and on_error is accept"
        assert words[1:] == ["continue"] * 2
        assert "its links are not kept" in served.host.log
        assert sum(seen.count("K") for seen in letters(child)) == 2


def test_links_that_the_child_closed_are_replaced_unnoticed() -> None:
    with pooled(on_error="reject") as served:
        child = prove(served)
        for _ in range(3):
            assert session(served) == "continue"
            child.wait_until(lambda: letters(child)[-1].endswith("K"))
            child.drop_connections()
            child.wait_closed()
        assert [seen.rstrip("KQ") for seen in letters(child)[2:]] == [f"OCH{MESSAGE}"] * 3


def test_a_link_closed_at_the_first_question_is_replaced() -> None:
    """The child closes just when the link is used again: the session gets a new one and knows nothing of it."""
    greetings: dict[int, int] = {}

    def greet(event: Event) -> Steps:
        greetings[event.connection] = greetings.get(event.connection, 0) + 1
        again = greetings[event.connection] > 1 and event.connection > 2
        return (Close(),) if again else (CONTINUE,)

    with pooled(Script(rules=[Rule("C", greet)]), on_error="reject") as served:
        child = prove(served)
        for _ in range(4):
            assert session(served) == "continue"
        child.wait_until(lambda: letters(child)[-1].endswith("K"))
        assert letters(child)[2:] == [f"OCH{MESSAGE}KC"] * 3 + [f"OCH{MESSAGE}K"]
        assert "lost" not in served.host.log


def test_a_child_that_went_away_for_good_fails_by_its_rule() -> None:
    with pooled() as served:
        child = prove(served)
        assert session(served) == "continue"
        child.wait_until(lambda: child.letters(3).endswith("K"))
        child.stop()
        with FakeMta(served.endpoint) as mta:
            mta.negotiate()
            assert mta.client().word == "tempfail"
        child.start()
        wait_until(lambda: session(served) == "continue", "the child in use again", 10)


def test_no_more_links_are_kept_than_allowed() -> None:
    with pooled(pool_size=2) as served:
        child = prove(served)
        links = [FakeMta(served.endpoint).connect() for _ in range(5)]
        for mta in links:
            begin(mta)
            assert message(mta) == "continue"
        assert child.open_connections == 5
        for mta in links:
            mta.quit()
        child.wait_until(lambda: child.open_connections == 2)
        assert sorted(seen[-1] for seen in letters(child)[2:]) == ["K", "K", "Q", "Q", "Q"]


def test_idle_links_are_given_up() -> None:
    with pooled(pool_idle="0.3s") as served:
        child = prove(served)
        assert session(served) == "continue"
        child.wait_closed(3)
        assert letters(child)[2] == f"OCH{MESSAGE}KQ"


def test_another_offer_gets_another_link() -> None:
    """What was negotiated with one MTA does not do for another that can do less."""
    with pooled() as served:
        child = prove(served)
        versions: Sequence[int] = (6, 4, 6)
        for version in versions:
            assert session(served, version) == "continue"
        child.wait_until(lambda: letters(child)[-1].endswith("K"))
        offers = [event.payload[3] for event in child.events if event.code == "O"]
        assert offers[2:] == [6, 4, 6]
        assert [seen.rstrip("KQ") for seen in letters(child)[2:]] == [f"OCH{MESSAGE}"] * 3


@pytest.mark.parametrize(
    "negotiation",
    [
        Negotiation(protocol=Protocol.HDR_LEADSPC),
        Negotiation(protocol=Protocol.SKIP),
        Negotiation(protocol=Protocol.RCPT_REJ),
        Negotiation(protocol=Protocol.NR_HDR),
        Negotiation(symlists=((0, b"j"),)),
    ],
)
def test_a_filter_that_negotiates_by_itself_may_forget_what_it_agreed_to(negotiation: Negotiation) -> None:
    """opendkim does: from the second session on a link its headers lack the blank after the colon."""
    with pooled(Script(negotiation)) as served:
        for _ in range(3):
            assert session(served) == "continue"
        (child,) = served.children
        child.wait_closed(3)
        assert letters(child) == [f"OCH{MESSAGE}Q"] * 3


def test_events_a_child_does_without() -> None:
    for protocol in (Protocol.NOCONNECT | Protocol.NOHELO, Protocol.NOBODY | Protocol.NOUNKNOWN):
        with pooled(Script(Negotiation(protocol=protocol))) as served:
            child = prove(served)
            for _ in range(3):
                assert session(served) == "continue"
            child.wait_until(lambda child=child: child.letters(3).count("K") == 3)  # type: ignore[misc]
            assert letters(child)[2].count("O") == 1


def test_many_sessions_share_few_links() -> None:
    with pooled() as served:
        child = prove(served)
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(lambda _: session(served), range(120))) == {"continue"}
        assert sum(seen.count("E") for seen in letters(child)) == 121
        assert len(child.connections) < 40


def test_bounded_sessions_and_kept_links() -> None:
    with pooled(max_sessions=2) as served:
        child = prove(served)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: session(served), range(60))) == {"continue"}
        assert sum(seen.count("E") for seen in letters(child)) == 61


def test_packets_out_of_turn_end_a_kept_link() -> None:
    """A child that speaks while its link is idle has lost count; its link serves nobody any more."""
    odd = Script(rules=[Rule("K", (CONTINUE,), connection=3)])
    with pooled(odd) as served:
        child = prove(served)
        assert session(served) == "continue"
        wait_until(lambda: "its links are not kept" in served.host.log, "what is said about it")
        for _ in range(2):
            assert session(served) == "continue"
        assert letters(child)[2].startswith(f"OCH{MESSAGE}K")
        assert letters(child)[2].count("E") == 1
        child.wait_until(lambda: child.letters(5).endswith("Q"))
        assert "its links are not kept" in served.host.log
