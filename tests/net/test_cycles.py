"""A session that is over is gone at once: what refers to itself in a circle would wait for the collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Close, Rule, Script
from tests.net.hosting import NO_BREAKER, Host
from tests.net.test_filters import APP, PLANS

MILTERS: dict[str, dict[str, Any]] = {
    "milters": {},
    "kept links": {"pool": True},
    "conditions": {"when": ["remote-network", "unauthenticated"]},
    "no answer": {"on_error": "accept"},
}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Host, dict[str, str]]]:
    """Services with two milters each, one of which goes away in the last of them, and one with a filter."""
    host = Host()
    with ScriptedChild() as good, ScriptedChild(Script(rules=(Rule("R", (Close(),)),))) as bad:
        endpoints = {"a filter inside": host.add({}, filters=[{"use": APP}])}
        for name, settings in MILTERS.items():
            second = bad if name == "no answer" else good
            tables = {"m1": good, "m2": second}
            endpoints[name] = host.add(
                {
                    one: {"socket": str(child.endpoint), "breaker": NO_BREAKER, **settings}
                    for one, child in tables.items()
                }
            )
        with host:
            yield host, endpoints


@pytest.mark.parametrize("name", [*MILTERS, "a filter inside"])
def test_nothing_is_left_to_the_collector(name: str, served: tuple[Host, dict[str, str]]) -> None:
    host, endpoints = served
    host.cycles()
    for plan in PLANS.values():
        mails = FakeMta(endpoints[name]).session(plan).mails
        assert all(mail.status not in ("error", "") for mail in mails)
    assert host.cycles() == []
