"""Networks, accounts, regular expressions and shares: what is read, and what is said of the rest."""

from __future__ import annotations

import re
import tomllib
from ipaddress import ip_network
from typing import Any

import pytest

from postmill.api import Address
from postmill.api.kinds import Text
from postmill.api.mail_kinds import Account, Network, Pattern, Percent, find_account


@pytest.mark.parametrize(
    ("text", "network", "shown"),
    [
        ("192.0.2.7", "192.0.2.7/32", '"192.0.2.7"'),
        ("192.0.2.0/24", "192.0.2.0/24", '"192.0.2.0/24"'),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24", '"192.0.2.0/24"'),
        (" 2001:DB8::/32 ", "2001:db8::/32", '"2001:db8::/32"'),
        ("::1", "::1/128", '"::1"'),
    ],
)
def test_networks(text: str, network: str, shown: str) -> None:
    assert Network().parse(text) == ip_network(network)
    assert Network().show(ip_network(network)) == shown


def test_a_network_that_may_have_meant_two_things_is_asked_about() -> None:
    with pytest.raises(
        ValueError,
        match=r'^"192\.0\.2\.7/24" has bits beyond its mask; write "192\.0\.2\.0/24" or "192\.0\.2\.7"$',
    ):
        Network().parse("192.0.2.7/24")


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.0/33", "::/129", 5, True, None, []])
def test_no_networks(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Network().parse(text)


def test_a_pattern_is_a_regular_expression_or_what_the_other_kind_makes_of_it() -> None:
    kind = Pattern(Text())
    found = kind.parse("/^mail[0-9]/")
    assert isinstance(found, re.Pattern)
    assert found.search("MAIL7")
    assert kind.show(found) == '"/^mail[0-9]/"'
    assert (kind.parse("mail"), kind.parse("/"), kind.parse("//")) == ("mail", "/", "//")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("/a[/", r'^"/a\[/" is no regular expression: unterminated character set at character 3$'),
        ("/(a/", r"missing \), unterminated subpattern at character 2$"),
        ("/[[a]/", "Possible nested set"),
        ("/a{99999999999999999999}/", "too large"),
    ],
)
def test_what_is_wrong_with_a_regular_expression(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Pattern().parse(text)


@pytest.mark.parametrize("text", ["a", "", "//", 5, None])
def test_a_pattern_alone_needs_its_slashes(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Pattern().parse(text)


ENTRIES = frozenset(
    map(
        Account().parse,
        (
            "Joe@Example.org",
            "postmaster@",
            "example.net",
            ".Bücher.example",
            "list+x@example.org",
            '"x@y"@example.org',
        ),
    )
)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("joe@example.org", "joe@example.org"),
        ("JOE@EXAMPLE.ORG.", "joe@example.org"),
        ("joe+news@example.org", "joe@example.org"),
        ("list+x@example.org", "list+x@example.org"),
        ("list+y@example.org", ""),
        ("+joe@example.org", ""),
        ("jane@example.org", ""),
        ("postmaster@any.example", "postmaster@"),
        ("postmaster+a@example.net", "postmaster@"),
        ("postmaster", "postmaster@"),
        ("jane@example.net", "example.net"),
        ("jane@x.example.net", ""),
        ("jane@x.bücher.example", ".xn--bcher-kva.example"),
        ("jane@xn--bcher-kva.example", ""),
        ('"joe"@example.org', "joe@example.org"),
        (r'"j\oe"@example.org', "joe@example.org"),
        ('"joe+news"@example.org', "joe@example.org"),
        ('"joe"+news@example.org', "joe@example.org"),
        ('"joe@example.org"', "joe@example.org"),
        ("x@y@example.org", "x@y@example.org"),
        ('"x@y"@example.org', "x@y@example.org"),
        ("", ""),
    ],
)
def test_which_entry_an_account_falls_under(address: str, entry: str) -> None:
    assert find_account(Address(address), ENTRIES, "+") == entry


@pytest.mark.parametrize(
    "text", ["joe@example.org", '"joe"@example.org', r'"a\"b\\\c"@example.org', '"j@e"@']
)
def test_an_account_is_shown_as_it_may_be_written(text: str) -> None:
    account = Account().parse(text)
    assert Account().parse(tomllib.loads(f"account = {Account().show(account)}")["account"]) == account


def test_without_a_delimiter_an_extension_is_part_of_the_account() -> None:
    assert find_account(Address("joe+news@example.org"), ENTRIES) == ""
    assert find_account(Address("joe-news+x@example.org"), ENTRIES, "+-") == "joe@example.org"


@pytest.mark.parametrize("text", ["", "@", "@example.org", "a b@example.org", "a@.example.org", "a@b c", 5])
def test_no_accounts(text: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Account().parse(text)


@pytest.mark.parametrize(("raw", "shown"), [(10, "10"), (0, "0"), (100.0, "100"), (0.5, "0.5")])
def test_shares(raw: Any, shown: str) -> None:
    assert Percent().show(Percent().parse(raw)) == shown


@pytest.mark.parametrize("raw", [-1, 100.1, float("nan"), True, "10", None])
def test_no_shares(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Percent().parse(raw)
