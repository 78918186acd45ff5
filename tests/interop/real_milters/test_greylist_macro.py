"""milter-greylist sees through Postmill a macro that the administrator made Postfix invent."""

from __future__ import annotations

import pytest

from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import IMPOSTOR, OUTSIDE, STRANGER, delivers, mail, refuses
from tests.stack.dialogue import Client
from tests.stack.messages import message
from tests.stack.outcome import Outcome


@pytest.mark.parametrize("client", [OUTSIDE, IMPOSTOR], ids=["spf-pass", "spf-fail"])
def test_trusted_domain_and_spf(client: Client, arrangement: Arrangement) -> None:
    steps = [mail(message("Trusted"), STRANGER)]
    direct = arrangement.play("direct-trusted", client, steps)
    expected = (
        delivers("Sender passed SPF test, ACL 11 matched") if client is OUTSIDE else refuses("451 4.7.1")
    )
    assert expected(direct), direct
    assert arrangement.play("postmill-trusted", client, steps).visible() == direct.visible()


def test_macro_of_the_manager_itself(arrangement: Arrangement) -> None:
    outcome: Outcome = arrangement.play("trusting", OUTSIDE, [mail(message("Trusted"), STRANGER)])
    assert delivers("Sender passed SPF test, ACL 11 matched")(outcome), outcome
