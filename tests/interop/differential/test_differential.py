"""Same as Postfix: every shelf of scenarios, the kept ones and a few hundred random ones, in real Postfix.

The seed of the random ones is fixed, so that a run can be repeated; POSTMILL_DIFFERENTIAL_SEED and
POSTMILL_DIFFERENTIAL_COUNT choose others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pytest

from tests.interop.differential import clients, edits, families, generate, matrix, modes
from tests.interop.differential.campaign import by_profile, load_kept
from tests.interop.differential.compare import compare
from tests.interop.differential.documented import Documented, everything
from tests.interop.differential.lane import Lane
from tests.interop.differential.scenario import Scenario
from tests.interop.differential.secured import missing, playable

SEED = int(os.environ.get("POSTMILL_DIFFERENTIAL_SEED", "20261123"))
COUNT = int(os.environ.get("POSTMILL_DIFFERENTIAL_COUNT", "300"))

SHELVES = by_profile(
    chain(
        families.comparable(),
        matrix.scenarios(),
        matrix.bursts(),
        edits.scenarios(),
        clients.scenarios(),
        modes.scenarios(),
    )
)
KEPT = load_kept()
RANDOM = by_profile(generate.scenarios(SEED, COUNT))
DOCUMENTED = list(everything())


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    """Postfix with its filters, and Postfix with Postmill."""
    pairs = [scenario for each in DOCUMENTED for scenario in (each.given, each.like)]
    with Lane([*filter(playable, SHELVES), *KEPT, *RANDOM, *pairs]) as lane:
        yield lane


def name_of(value: Scenario | Documented) -> str:
    """The id of a test."""
    return value.given.name if isinstance(value, Documented) else value.name


def check(lane: Lane, scenario: Scenario) -> None:
    """Play, and fail with both sides and the scenario itself."""
    if not playable(scenario):
        pytest.skip(missing())
    outcome = lane.run(scenario)
    assert outcome.same, f"{outcome.report()}\n{scenario.to_json()}"


@pytest.mark.parametrize("scenario", SHELVES, ids=name_of)
def test_shelves_are_the_same(lane: Lane, scenario: Scenario) -> None:
    check(lane, scenario)


def test_content_is_really_shown_at_the_same_time(lane: Lane) -> None:
    refused = next(scenario for scenario in SHELVES if scenario.name == "parallel-turn-E-reject-1of2")
    first, second = refused.children
    (rule,) = first.rules
    thoughtful = replace(first, rules=(replace(rule, do=(("delay", "1.0"), *rule.do)),))
    direct, behind = lane.pair(replace(refused, children=(thoughtful, second)))
    assert "E" not in "".join(link.letters for link in direct.children[1])
    assert "E" in "".join(link.letters for link in behind.children[1])


def test_links_are_really_kept(lane: Lane) -> None:
    thrice = next(scenario for scenario in SHELVES if scenario.name == "pool-thrice")
    direct, behind = lane.pair(thrice)
    assert [len(links) for links in direct.children] == [3, 3, 3]
    assert [len(links) for links in behind.children] == [1, 1, 1]
    assert all(links[0].letters.count("K") == 3 for links in behind.children)


@pytest.mark.parametrize("scenario", KEPT, ids=name_of)
def test_what_once_differed_is_the_same(lane: Lane, scenario: Scenario) -> None:
    check(lane, scenario)


@pytest.mark.parametrize("scenario", RANDOM, ids=name_of)
def test_random_scenarios_are_the_same(lane: Lane, scenario: Scenario) -> None:
    check(lane, scenario)


@pytest.mark.parametrize("difference", DOCUMENTED, ids=name_of)
def test_documented_differences_are_as_documented(lane: Lane, difference: Documented) -> None:
    direct, behind = lane.pair(difference.like, difference.given)
    expected = difference.as_given(direct)
    if difference.only_outside:
        expected, behind = expected.outside(), behind.outside()
    found = compare(difference.given, expected, behind)
    assert not found.differences, "\n".join(map(str, found.differences))
