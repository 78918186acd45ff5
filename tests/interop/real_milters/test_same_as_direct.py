"""Six real milters behind one Postmill do to each message what the same six do in `smtpd_milters`."""

from __future__ import annotations

import pytest

from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import (
    ALICE,
    IMPOSTOR,
    LOCAL,
    SCENARIOS,
    impostor_mail,
    mail,
    own_mail,
)
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


def test_quarantine_does_not_spare_the_message_the_later_children(arrangement: Arrangement) -> None:
    outcome = arrangement.play("tempfail", IMPOSTOR, [mail(impostor_mail())])
    (held,) = outcome.held
    assert "dmarc=fail" not in held, "rspamd, the last one, removes the others' results"
    assert "X-Rspamd-Server:" in held
