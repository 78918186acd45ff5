"""One real milter that gives every verdict: clamav-milter's `OnInfected`, and what it does without clamd."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import OUTSIDE, delivers, is_held, mail, refuses
from tests.stack.messages import attached, eicar, message
from tests.stack.outcome import Outcome


def vanishes(outcome: Outcome) -> bool:
    """The message is accepted and never seen again."""
    accepted = any("(message) -> 250" in line for line in outcome.replies)
    return accepted and not outcome.delivered and not outcome.held


@pytest.fixture
def changed(arrangement: Arrangement) -> Iterator[Callable[[str], None]]:
    """A way to change `OnInfected`; afterwards it is Reject again."""
    yield arrangement.filters.clamav_milter.change
    arrangement.filters.clamav_milter.change("Reject")


@pytest.mark.parametrize(
    ("on_infected", "expected"),
    [
        ("Quarantine", is_held),
        ("Blackhole", vanishes),
        ("Accept", delivers("X-Virus-Status: Infected (Eicar")),
        ("Defer", refuses("451 4.7.1 Service unavailable - try again later")),
    ],
)
def test_on_infected(
    on_infected: str,
    expected: Callable[[Outcome], bool],
    arrangement: Arrangement,
    changed: Callable[[str], None],
) -> None:
    changed(on_infected)
    steps = [mail(attached("Virus", eicar().encode(), "eicar.com")), mail(message("Ham behind it"))]
    for number in (1, 2):
        direct = arrangement.play("direct", OUTSIDE, steps[:number])
        assert number == 2 or expected(direct), direct
        for way in ("postmill", "pooled"):
            assert arrangement.play(way, OUTSIDE, steps[:number]).visible() == direct.visible(), way


def test_without_its_scanner(arrangement: Arrangement) -> None:
    steps = [mail(message("Ham"))]
    arrangement.filters.clamd.kill()
    try:
        direct = arrangement.play("direct", OUTSIDE, steps)
        assert refuses("451 4.7.1 Service unavailable - try again later")(direct), direct
        assert arrangement.play("postmill", OUTSIDE, steps).visible() == direct.visible()
    finally:
        arrangement.filters.clamd.start()
        arrangement.filters.clamav_milter.change("Reject")  # it would look for clamd again minutes later
    assert delivers("X-Virus-Status: Clean")(arrangement.play("postmill", OUTSIDE, steps))
