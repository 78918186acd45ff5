"""``sender-domain``: domains of envelope senders, with and without a leading dot."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip
from postmill.conditions.sender_domain import sender_domain
from postmill.testing.conditions import decide
from postmill.testing.nouns import sender

SETTINGS: list[dict[str, Any]] = [{"domains": ["example.org", ".example.net", "Bücher.example"]}]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("joe@example.org", Apply("the sender's domain example.org is in the list (example.org)")),
        ("joe@a.example.net", Apply("the sender's domain a.example.net is in the list (.example.net)")),
        (
            "joe@BÜCHER.example",
            Apply("the sender's domain bücher.example is in the list (xn--bcher-kva.example)"),
        ),
        ("joe@example.net", Skip("the sender's domain example.net is not in the list")),
        ("joe@a.example.org", Skip("the sender's domain a.example.org is not in the list")),
        ("<>", Skip("the sender has no domain")),
        ("joe", Skip("the sender has no domain")),
    ],
)
def test_domains(address: str, said: Apply | Skip) -> None:
    assert decide(sender_domain, sender(address), **SETTINGS[0]) == said
