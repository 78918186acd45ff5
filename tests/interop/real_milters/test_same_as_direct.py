"""Six real milters behind one Postmill do to each message what the same six do in `smtpd_milters`."""

from __future__ import annotations

import pytest

from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import ALICE, LOCAL, SCENARIOS, mail, own_mail
from tests.stack.messages import verifies


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_replies_and_same_delivered_message(name: str, arrangement: Arrangement) -> None:
    scenario = SCENARIOS[name]
    steps = scenario.steps(arrangement.filters)
    direct = arrangement.play("direct", scenario.client, steps)
    assert scenario.expected(direct), direct
    for way in ("postmill", "pooled"):
        behind = arrangement.play(way, scenario.client, steps)
        assert behind.visible() == direct.visible(), way


def test_a_signature_made_by_one_child_verifies_in_the_delivered_message(arrangement: Arrangement) -> None:
    outcome = arrangement.play("postmill", LOCAL, [mail(own_mail("Signed here"), ALICE)])
    (delivery,) = outcome.originals
    assert delivery.header("DKIM-Signature")
    assert verifies(delivery.content, arrangement.filters.keys)
