"""``no-stress`` leaves out where ``stress-notify`` tells; the thresholds are those of its test."""

from __future__ import annotations

import pytest

from postmill.api import Apply, Load, Skip
from postmill.conditions.no_stress import no_stress
from postmill.testing.conditions import decide
from postmill.testing.nouns import client
from tests.conditions import test_stress_notify

SETTINGS = test_stress_notify.SETTINGS


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(74, 100), Apply("74 sessions; stress begins at 75 % of the MTA's limit of 100")),
        (Load(75, 100), Skip("75 sessions; stress begins at 75 % of the MTA's limit of 100")),
        (
            Load(9999, 0),
            Apply("the MTA's process limit is not known (mta_processes), so there is no stress"),
        ),
    ],
)
def test_under_stress_the_milter_is_left_out(load: Load, said: Apply | Skip) -> None:
    assert decide(no_stress, client(), {Load: load}) == said
