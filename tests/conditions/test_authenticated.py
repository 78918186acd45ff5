"""``authenticated``: who logged in, by the macros of MAIL."""

from __future__ import annotations

from typing import Any

from postmill.api import Apply, Skip
from postmill.conditions.authenticated import authenticated
from postmill.testing.conditions import decide
from postmill.testing.nouns import sender

SETTINGS: list[dict[str, Any]] = [{}]


def test_who_logged_in() -> None:
    assert decide(authenticated, sender(user="joe")) == Apply("the client logged in as joe")
    assert decide(authenticated, sender(auth_type="EXTERNAL")) == Apply("the client logged in")


def test_who_did_not() -> None:
    assert decide(authenticated, sender()) == Skip("the client did not log in")
    assert decide(authenticated, sender(auth_authen="", auth_type="")) == Skip("the client did not log in")
