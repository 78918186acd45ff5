"""``message-size``: by the announced size where that is safe, else by the message itself."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip
from postmill.conditions.message_size import message_size
from postmill.testing.conditions import decide
from postmill.testing.nouns import message, sender

SETTINGS: list[dict[str, Any]] = [
    {},
    {"at_least": 10, "at_most": "1KB"},
    {"at_least": 10, "at_most": "1KB", "trust_announced": True},
]
OWN, TRUSTING = SETTINGS[1:]


def announced(size: int) -> tuple[str, ...]:
    return ("BODY=8BITMIME", f"SIZE={size}")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (9, Skip("the message has 9 bytes, fewer than 10")),
        (10, Apply("the message has 10 bytes")),
        (1024, Apply("the message has 1024 bytes")),
        (1025, Skip("the message has 1025 bytes, more than 1024")),
    ],
)
def test_the_message_itself(size: int, said: Apply | Skip) -> None:
    one = message("A: b", body=b"x" * (size - 8))
    assert one.size == size
    assert decide(message_size, one, **OWN) == said


def test_headers_count() -> None:
    assert isinstance(decide(message_size, message("Subject: " + "x" * 1024), **OWN), Skip)


def test_an_announced_size_within_the_bounds_is_enough() -> None:
    assert decide(message_size, sender(arguments=announced(1000)), **OWN) == Apply(
        "the client announced 1000 bytes"
    )


@pytest.mark.parametrize("size", [0, 9, 1025, 10**9])
def test_one_beyond_them_is_not_unless_clients_are_trusted(size: int) -> None:
    assert decide(message_size, sender(arguments=announced(size)), **OWN) is None
    said = decide(message_size, sender(arguments=announced(size)), **TRUSTING)
    assert isinstance(said, Skip)
    assert said.because.startswith(f"the client announced {size} bytes, ")


def test_without_an_announcement_the_message_is_waited_for() -> None:
    for settings in SETTINGS:
        assert decide(message_size, sender(), **settings) is None


def test_without_bounds_any_size_will_do() -> None:
    assert isinstance(decide(message_size, message()), Apply)
