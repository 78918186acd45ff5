"""``not-dnsbl-listed`` answers the other way round with the same sentence; the rest is ``test_dnsbl_listed``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from postmill.api import Apply, Resolver, Skip
from postmill.conditions.dnsbl_listed import dnsbl_listed
from postmill.conditions.not_dnsbl_listed import not_dnsbl_listed
from postmill.testing.conditions import FixedResolver, decide
from postmill.testing.nouns import client
from tests.conditions import test_dnsbl_listed

SETTINGS = test_dnsbl_listed.SETTINGS


@pytest.mark.parametrize("ip", ["192.0.2.5", None])
@pytest.mark.parametrize("answer", [[], ["127.0.0.2"], ["127.255.255.254"], OSError("x")])
@pytest.mark.parametrize("on_failure", ["listed", "not-listed"])
def test_the_opposite(ip: str | None, answer: Sequence[str] | OSError, on_failure: str) -> None:
    ports: dict[Any, Any] = {Resolver: FixedResolver({"5.2.0.192.bl.example": answer})}
    more = {"zones": {"bl.example": []}, "on_failure": on_failure}
    listed = decide(dnsbl_listed, client(ip), ports, **more)
    not_listed = decide(not_dnsbl_listed, client(ip), ports, **more)
    assert listed is not None
    assert not_listed == (Skip if isinstance(listed, Apply) else Apply)(listed.because)
