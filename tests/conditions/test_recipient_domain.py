"""``recipient-domain``: decided at the first recipient that settles it, else with all of them."""

from __future__ import annotations

from typing import Any

from postmill.api import Apply, Envelope, Skip
from postmill.api.conditions import Answer
from postmill.conditions.recipient_domain import recipient_domain
from postmill.testing.conditions import decide
from postmill.testing.nouns import envelope, recipient, sender

DOMAINS = ["example.org", ".example.net", "bücher.example"]
SETTINGS: list[dict[str, Any]] = [{"domains": DOMAINS}, {"domains": DOMAINS, "match": "all"}]
ANY, ALL = SETTINGS


def in_turn(settings: dict[str, Any], *addresses: str) -> list[Answer]:
    """The answers at each recipient up to the one that decides, and that of the envelope if none does."""
    answers: list[Answer] = []
    for address in addresses:
        answers.append(decide(recipient_domain, recipient(address), **settings))
        if answers[-1] is not None:
            return answers
    return [*answers, decide(recipient_domain, envelope(*addresses), **settings)]


def test_any_is_settled_by_the_first_of_the_list() -> None:
    found = Apply("the recipient's domain example.org is in the list (example.org)")
    assert in_turn(ANY, "a@example.com", "b@example.org", "c@example.com") == [None, found]
    assert in_turn(ANY, "b@example.org") == [found]


def test_any_is_refused_with_the_whole_envelope() -> None:
    none = Skip("no recipient's domain is in the list")
    assert in_turn(ANY, "a@example.com", "b@example.net", "postmaster") == [None, None, None, none]


def test_all_is_settled_by_the_first_of_none() -> None:
    foreign = Skip("b@example.com is not in a domain of the list, and all recipients must be")
    assert in_turn(ALL, "a@example.org", "b@example.com", "c@example.org") == [None, foreign]


def test_all_is_granted_with_the_whole_envelope() -> None:
    every = Apply("every recipient's domain is in the list")
    assert in_turn(ALL, "a@example.org", "b@x.example.net", "c@xn--bcher-kva.example") == [
        None,
        None,
        None,
        every,
    ]


def test_who_joins_at_the_envelope_hears_the_same() -> None:
    assert isinstance(decide(recipient_domain, envelope("a@example.com", "b@example.org"), **ANY), Apply)
    assert isinstance(decide(recipient_domain, envelope("a@example.com", "b@example.org"), **ALL), Skip)


def test_without_recipients_there_is_none_in_the_list() -> None:
    for settings in SETTINGS:
        assert isinstance(decide(recipient_domain, Envelope(sender(), ()), **settings), Skip)
