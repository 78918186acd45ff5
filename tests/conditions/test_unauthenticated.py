"""``unauthenticated``: who did not log in, by the macros of MAIL."""

from __future__ import annotations

from typing import Any

from postmill.api import Apply, Skip
from postmill.conditions.unauthenticated import unauthenticated
from postmill.testing.conditions import decide
from postmill.testing.nouns import sender

SETTINGS: list[dict[str, Any]] = [{}]


def test_who_logged_in() -> None:
    assert decide(unauthenticated, sender(user="joe")) == Skip("the client logged in as joe")
    assert decide(unauthenticated, sender(auth_type="EXTERNAL")) == Skip("the client logged in")


def test_who_did_not() -> None:
    assert decide(unauthenticated, sender()) == Apply("the client did not log in")
