"""What is said in TOML: lists of those who do not wait, and rules beside a file."""

from __future__ import annotations

import pytest

from postmill.filters.greylist import app
from postmill.testing.pytest_plugin import Deliverer


@pytest.mark.parametrize(
    ("client", "passes"),
    [
        ("example.net", True),
        ("mail.Example.net", True),
        ("mail.badexample.net", False),
        ("a.example.org", True),
        ("example.org", False),
        ("b\u00fccher.example", True),
    ],
)
def test_domains_are_compared_by_whole_labels(postmill_deliver: Deliverer, client: str, passes: bool) -> None:
    domains = ["example.net", ".example.org", "xn--bcher-kva.example"]
    said = postmill_deliver(app, settings={"rules": "nospf", "whitelist_domains": domains}, name=client)
    assert bool(said.refused) != passes


def test_senders_are_compared_as_they_are(postmill_deliver: Deliverer) -> None:
    settings = {"rules": "nospf", "whitelist_senders": ["list-a=b@lists.example"]}
    assert postmill_deliver(app, settings=settings, sender="List-A=b@lists.example").status == "accept"
    assert postmill_deliver(app, settings=settings, sender="b@lists.example").refused
