"""``restrict-accounts``: lists of recipients in the configuration and in a file, any or all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postmill.api import Apply, Envelope, Skip
from postmill.conditions.restrict_accounts import restrict_accounts
from postmill.testing.conditions import decide
from postmill.testing.nouns import envelope, sender

ACCOUNTS = ["jane@example.org", "postmaster@", "example.net", ".example.net"]
SETTINGS: list[dict[str, Any]] = [
    {"accounts": ACCOUNTS, "file": "/dev/null"},
    {"accounts": ACCOUNTS, "match": "all", "recipient_delimiter": "+-"},
]


@pytest.mark.parametrize(
    "address",
    [
        "jane@example.org",
        "Jane@EXAMPLE.org",
        "jane+news@example.org",
        "postmaster@any.example",
        "postmaster",
        "x@example.net",
        "x@a.example.net",
    ],
)
def test_who_is_in_the_list(address: str) -> None:
    assert decide(restrict_accounts, envelope(address), **SETTINGS[1]) == Apply(
        f"{address} is in the list of accounts"
    )


@pytest.mark.parametrize(
    "address", ["joe@example.org", "jane@example.com", "jane+x@example.org", "example.net", "<>"]
)
def test_who_is_not(address: str) -> None:
    assert decide(restrict_accounts, envelope(address), **SETTINGS[0]) == Skip(
        "no recipient is in the list of accounts"
    )


def test_any_or_all() -> None:
    both = envelope("joe@example.org", "jane@example.org")
    assert decide(restrict_accounts, both, **SETTINGS[0]) == Apply(
        "jane@example.org is in the list of accounts"
    )
    assert decide(restrict_accounts, both, **SETTINGS[1]) == Skip(
        "joe@example.org is not in the list of accounts, and all recipients must be"
    )
    twice = envelope("jane@example.org", "x@example.net")
    assert isinstance(decide(restrict_accounts, twice, **SETTINGS[1]), Apply)


def test_without_recipients_or_lists_nobody_is_listed() -> None:
    for settings in ({}, *SETTINGS):
        assert isinstance(decide(restrict_accounts, Envelope(sender(), ()), **settings), Skip)
    assert isinstance(decide(restrict_accounts, envelope("jane@example.org")), Skip)


def test_a_file_adds_accounts(tmp_path: Path) -> None:
    (tmp_path / "accounts").write_text("# pilots\nJoe@example.org\nabuse@\n")
    settings = {"accounts": ["jane@example.org"], "file": f"{tmp_path}/accounts", "match": "all"}
    all_three = envelope("joe@example.org", "abuse@example.com", "jane@example.org")
    assert isinstance(decide(restrict_accounts, all_three, **settings), Apply)
