"""``stress-notify``: the macro from the threshold on; nobody is left out."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Load
from postmill.conditions.stress_notify import stress_notify
from postmill.testing.conditions import decide
from postmill.testing.nouns import client

SETTINGS: list[dict[str, Any]] = [{}, {"share": 50}, {"sessions": 200}]


@pytest.mark.parametrize(
    ("load", "settings", "stressed", "because"),
    [
        (Load(74, 100), {}, False, "74 sessions; stress begins at 75 % of the MTA's limit of 100"),
        (Load(75, 100), {}, True, "75 sessions; stress begins at 75 % of the MTA's limit of 100"),
        (Load(250, 100), {}, True, "250 sessions; stress begins at 75 % of the MTA's limit of 100"),
        (Load(1, 2), {"share": 50}, True, "1 session; stress begins at 50 % of the MTA's limit of 2"),
        (Load(0, 2), {"share": 0.5}, False, "0 sessions; stress begins at 0.5 % of the MTA's limit of 2"),
        (Load(199, 100), {"sessions": 200}, False, "199 sessions; stress begins at 200"),
        (Load(200, 0), {"sessions": 200}, True, "200 sessions; stress begins at 200"),
        (
            *(Load(9999, 0), {}, False),
            "the MTA's process limit is not known (mta_processes), so there is no stress",
        ),
    ],
)
def test_when_it_is_stress(load: Load, settings: dict[str, Any], stressed: bool, because: str) -> None:
    said = decide(stress_notify, client(), {Load: load}, **settings)
    assert said == Apply(because, {"stress": "yes"} if stressed else {})
