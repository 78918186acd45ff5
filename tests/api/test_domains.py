"""Domains: names are compared as DNS knows them, and a list says which names fall under it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.domains import Domain, ascii_domain, find_domain, is_domain


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # composed from two code points
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2008 keeps it, 2003 made it ss
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ＥＸＡＭＰＬＥ．org", "example.org"),
        ("", ""),
    ],
)
def test_one_form_for_each_name(name: str, known_as: str) -> None:
    assert ascii_domain(name) == known_as
    assert ascii_domain(known_as) == known_as


@given(st.text())
def test_whatever_has_the_form_of_a_domain_keeps_it(text: str) -> None:
    form = ascii_domain(text)
    assert not is_domain(form) or ascii_domain(form.upper()) == form


def test_what_is_too_long_for_a_name_is_not_converted() -> None:
    assert not is_domain(ascii_domain("ü" * 100_000))


@pytest.mark.parametrize(
    ("domain", "entry"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org.", "example.org"),
        ("www.example.org", ""),  # the domain alone
        ("a.example.net", ".example.net"),
        ("a.b.example.net", ".b.example.net"),  # the nearest
        ("a.c.example.net", ".example.net"),
        ("example.net", ""),  # only what is below it
        ("notexample.net", ""),
        ("bücher.example", "xn--bcher-kva.example"),
        ("", ""),
        (".", ""),
        ("[192.0.2.1]", ""),
    ],
)
def test_which_entry_a_domain_falls_under(domain: str, entry: str) -> None:
    entries = {
        Domain().parse(text) for text in ("Example.org", ".example.net", ".b.example.net", "Bücher.example")
    }
    assert find_domain(domain, entries) == entry


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", "-a.example", "a b", "joe@example.org", "a" * 64 + ".org", "/a/", 5, None, []],
)
def test_no_domains(text: object) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Domain().parse(text)
