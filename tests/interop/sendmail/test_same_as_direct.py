"""Two scripted children behind Postmill do to Sendmail's mail what the same two do in INPUT_MAIL_FILTER."""

from __future__ import annotations

import pytest

from tests.interop.sendmail.conftest import Arrangement
from tests.interop.sendmail.scripts import DEATHS, EDITS, MESSAGE, VERDICTS, Pair, edits, random_edits
from tests.stack.dialogue import Mail

TWO = ("alice@test.example", "bob@test.example")
FIRST = Mail("ham@ext.example", TWO, MESSAGE)
SECOND = Mail("ham@ext.example", TWO, MESSAGE.replace(b"Edits", b"The next one"))
CONVERSATION: list[Mail | str] = [FIRST, SECOND]


def compare(arrangement: Arrangement, pair: Pair, steps: list[Mail | str]) -> None:
    direct = arrangement.play("direct", pair, steps)
    heard = arrangement.heard()
    assert heard[0], "the first child was never asked"
    behind = arrangement.play("behind", pair, steps)
    assert behind.visible() == direct.visible()
    in_turn = arrangement.play("inturn", pair, steps)
    assert in_turn.visible() == direct.visible()
    assert arrangement.heard() == heard


@pytest.mark.parametrize("name", EDITS)
def test_edits(name: str, arrangement: Arrangement) -> None:
    compare(arrangement, EDITS[name], CONVERSATION)


@pytest.mark.parametrize("seed", range(30))
def test_random_header_edits(seed: int, arrangement: Arrangement) -> None:
    compare(arrangement, random_edits(seed), [FIRST])


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str, arrangement: Arrangement) -> None:
    compare(arrangement, VERDICTS[name], CONVERSATION)


@pytest.mark.parametrize("name", DEATHS)
def test_lost_children(name: str, arrangement: Arrangement) -> None:
    """`F=T` is `on_error = "tempfail"`, and no `F` is `on_error = "accept"`."""
    for direct_way, way in (("direct", "behind"), ("directlenient", "lenient")):
        direct = arrangement.play(direct_way, DEATHS[name], CONVERSATION)
        assert arrangement.play(way, DEATHS[name], CONVERSATION).visible() == direct.visible(), way


def test_reset_repeated_helo_and_unknown_commands(arrangement: Arrangement) -> None:
    steps: list[Mail | str] = [
        f"MAIL FROM:<{FIRST.sender}>",
        "RSET",
        FIRST,
        "EHLO again.example",
        "FROBNICATE this",
        f"MAIL FROM:<{FIRST.sender}>",
        "HELO in.transaction.example",
        SECOND,
    ]
    compare(arrangement, edits([], []), steps)


@pytest.mark.parametrize("name", ["all-kinds", "delete-then-change", "body-large", "quarantine"])
def test_inet_sockets_on_both_sides(name: str, arrangement: Arrangement) -> None:
    direct = arrangement.play("directinet", EDITS[name], CONVERSATION, "inet")
    behind = arrangement.play("inet", EDITS[name], CONVERSATION, "inet")
    assert behind.visible() == direct.visible()
