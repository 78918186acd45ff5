"""``percentage``: the size of the share, that it sticks, and at which stage each key is known."""

from __future__ import annotations

import re
from typing import Any

import pytest

from postmill.api import Apply, Envelope, Skip
from postmill.conditions.percentage import percentage, placed
from postmill.testing.conditions import decide
from postmill.testing.nouns import client, envelope, recipient, sender

SETTINGS: list[dict[str, Any]] = [
    {"of": 10},
    {"of": 50, "by": "recipient"},
    {"of": 50, "by": "client", "salt": "spring"},
]
PLACE_OF_JOE = 98.12
RECIPIENTS = ("jane@example.org", "jim@example.org")


@pytest.mark.parametrize("of", [0, 1, 25, 50, 99, 100])
def test_the_share_is_as_large_as_it_says(of: int) -> None:
    places = [placed(f"user{number}@example.org", "") for number in range(5000)]
    within = sum(place < of for place in places) / 50
    assert abs(within - of) < 2
    assert all(0 <= place < 100 for place in places)


def test_who_is_in_a_share_is_in_every_larger_one() -> None:
    for number in range(100):
        one = sender(f"user{number}@example.org")
        answers = [isinstance(decide(percentage, one, of=of), Apply) for of in (0, 10, 50, 90, 100)]
        assert answers == sorted(answers)
        assert (answers[0], answers[-1]) == (False, True)


def test_the_choice_is_the_same_on_every_machine() -> None:
    assert decide(percentage, sender("joe@example.net"), of=50) == decide(
        percentage, sender("JOE@Example.NET."), of=50
    )
    assert round(placed("joe@example.net", ""), 2) == PLACE_OF_JOE
    assert round(placed("joe@example.net", "spring"), 2) != PLACE_OF_JOE


def test_the_reason_tells_the_place() -> None:
    said = decide(percentage, sender("joe@example.net"), of=100)
    assert said == Apply(f"sender joe@example.net is at {PLACE_OF_JOE:.2f} of 100, within 100 %")
    said = decide(percentage, sender("<>"), of=0)
    assert isinstance(said, Skip)
    assert re.fullmatch(r"sender <> is at \d+\.\d\d of 100, beyond 0 %", said.because)


def test_each_key_is_known_at_its_stage() -> None:
    stages = (client(), sender(), recipient(), envelope())
    known = {
        by: [decide(percentage, stage, of=50, by=by) is not None for stage in stages]
        for by in ("client", "sender", "recipient")
    }
    assert known == {
        "client": [True, True, True, True],
        "sender": [False, True, False, True],
        "recipient": [False, False, True, True],
    }


@pytest.mark.parametrize("text", ["JANE@Example.ORG", '"jane"@example.org', "jane(hers)@example.org"])
def test_an_address_has_one_place_however_it_is_written(text: str) -> None:
    one, other = (decide(percentage, sender(who), of=50) for who in ("jane@example.org", text))
    assert one == other


def test_of_several_recipients_the_first_counts() -> None:
    first, second = (decide(percentage, recipient(address), of=50, by="recipient") for address in RECIPIENTS)
    assert first != second
    assert decide(percentage, envelope(*RECIPIENTS), of=50, by="recipient") == first
    assert decide(percentage, Envelope(sender(), ()), of=50, by="recipient") == Skip("there is no recipient")


def test_a_client_is_its_address_and_with_ipv6_its_network() -> None:
    def place(ip: str | None, name: str = "mail.example.net") -> Any:
        said = decide(percentage, client(ip, name), of=100, by="client")
        assert said is not None
        return said.because

    assert place("2001:db8::1") == place("2001:db8::2:3") != place("2001:db8:0:1::1")
    assert place("192.0.2.5") != place("192.0.2.6")
    assert place("192.0.2.5", "a.example") == place("192.0.2.5", "b.example")
    assert place(None, "a.example") != place(None, "b.example")
