"""The author's domain, or that it is not clear."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.domains import is_domain
from postmill.filters._author import TooManyAuthorsError, UnclearAuthorError, author_domains


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        ("joe@example.net", ("example.net",)),
        (" <joe@Example.NET> ", ("example.net",)),
        ("Joe <joe@example.net>", ("example.net",)),
        ('"Joe, (the) <boss@bank.example>" <joe@example.net>', ("example.net",)),
        ("boss@bank.example <joe@example.net>", ("example.net",)),
        ("joe@example.net (Joe <boss@bank.example>)", ("example.net",)),
        ("(a (b) c) joe@example.net", ("example.net",)),
        ('"joe q"@example.net', ("example.net",)),
        ("=?utf-8?q?=3Cboss=40bank.example=3E?= <joe@example.net>", ("example.net",)),
        ("Joe\n <joe@example.net>", ("example.net",)),
        ("joe@bücher.example", ("xn--bcher-kva.example",)),
        ("a@one.example, B <b@two.example>, c@one.example", ("one.example", "two.example")),
        ("joe@example.net,", ("example.net",)),
        ('x (5" disk) <joe@example.net>', ("example.net",)),
        ("joe@example.net (\\) x)", ("example.net",)),
        ('Joe (a \\"b\\") <joe@example.net>', ("example.net",)),
        ("Team: joe@example.net;", ("example.net",)),
        (
            '"The team": a@one.example, B <b@two.example>;, c@three.example',
            ("one.example", "two.example", "three.example"),
        ),
        ("=?utf-8?Q?Doe,_J?= <joe@example.net>", ("example.net",)),
        ("=?utf-8?Q?A:_B;?= <joe@example.net>", ("example.net",)),
        ("=?utf-8?Q?<boss@bank.example>,?= joe@example.net", ("bank.example", "example.net")),
        ("Doe, J <joe@example.net>", ("example.net",)),
        ("Doe, J <joe@example.net>, Roe, R <roe@two.example>", ("example.net", "two.example")),
        ("joe=a=b@example.net", ("example.net",)),
    ],
)
def test_domains(value: str, domains: tuple[str, ...]) -> None:
    assert author_domains([value]) == domains


@pytest.mark.parametrize(
    "value",
    [
        "",
        "joe",
        "joe@localhost",
        "@example.net",
        "joe@",
        "joe@[192.0.2.1]",
        "a@b@example.net",
        "<joe@example.net> <boss@bank.example>",
        "<joe@example.net> boss@bank.example",
        "<<joe@example.net>",
        "joe@example.net>",
        "Nobody:;",
        "Friends: Joe;",
        "Friends: joe@example.net",
        "Friends: more: joe@example.net;;",
        "boss@bank.example: joe@example.net;",
        '"boss@bank.example": joe@example.net;',
        ":joe@example.net;",
        "joe@example.net;",
        "joe@example.net, Doe",
        '"boss@bank.example", J <joe@example.net>',
        "joe@=?utf-8?Q?example.net?=",
        "joe@example.net, (\\) boss@bank.example, \\()",
        '(" ( " ) boss@bank.example ) joe@example.net',
        "<@route.example:joe@example.net>",
        '"no end <joe@example.net>',
        "(no end) ) joe@example.net",
        "(no end joe@example.net",
        '(a "b) <boss@bank.example>") joe@example.net',
        '"a"b@example.net',
        "joe\\@example.net",
        "joe@exa mple.net",
    ],
)
def test_not_clear(value: str) -> None:
    with pytest.raises(ValueError, match="From header"):
        author_domains([value])


@pytest.mark.parametrize(
    ("values", "domains"),
    [
        (["joe@one.example <eve@two.example> x"], ("one.example", "two.example")),
        (["joe@one.example", "eve@ Two.example,joe@one.example"], ("one.example", "two.example")),
        (['"no end <joe@one.example.>'], ("one.example",)),
        (["joe@bücher.example:"], ("xn--bcher-kva.example",)),
        ([" " * 10_000 + "joe@one.example", "eve@\n two.example"], ("one.example", "two.example")),
        (["joe@one . example <", "eve@two. (x)\n\texample"], ("one.example", "two.example")),
        (["joe@one.example . x <"], ("one.example", "one.example.x")),
        (["joe@one．example <", "eve@two\u200b.exam\x01ple"], ("one.example", "two.example")),
        (
            ["=?utf-8?q?joe=40one=2Eexample?=", "=?x?B?PGV2ZUB0d28uZXhhbXBsZT4=?="],
            ("one.example", "two.example"),
        ),
        (["=?utf-8?q?joe=40on?=\n =?utf-8?q?e.example?= x"], ("one.example",)),
        (["=?utf-8?b?A?= joe@one.example <", "=?utf-8?b?ü?="], ("one.example",)),
        (["joe@one.((x)\\) x) example <", "eve@two.(x"], ("one.example",)),
        (["x@one.example " * 200 + "joe@two.example"], ("one.example", "two.example")),
        (["joe@localhost:", "joe@[192.0.2.1]", "@", "@@", "joe"], ()),
        ([], ()),
    ],
)
def test_whom_a_reader_might_see(values: list[str], domains: tuple[str, ...]) -> None:
    with pytest.raises(UnclearAuthorError) as raised:
        author_domains(values)
    assert raised.value.domains == domains


@pytest.mark.parametrize(
    "values",
    [
        [" ".join(f"a@{n}.example" for n in range(11))],
        [f"a@{n}.example" for n in range(11)],
        [", ".join(f"a@{n}.example" for n in range(11))],
        ["joe@one.example" + " " * 20_000],
        ["(" * 10_000, "@" * 10_000, "joe@one.example"],
    ],
)
def test_more_than_anybody_means(values: list[str]) -> None:
    with pytest.raises(TooManyAuthorsError, match=r"has 11 domains|is too long"):
        author_domains(values)


@pytest.mark.parametrize(
    "value",
    [
        "(" * 19_000,
        "(a)" * 6_000 + "(",
        "=?a?q?" * 3_000,
        "=?a?q?x?= " * 1_900,
        "@a" + " " * 19_000,
        "@." * 9_000,
    ],
)
def test_long_headers(value: str) -> None:
    with pytest.raises(UnclearAuthorError):
        author_domains([value])


def test_not_one_header() -> None:
    with pytest.raises(ValueError, match="no From header"):
        author_domains([])
    with pytest.raises(ValueError, match="2 From headers"):
        author_domains(["joe@example.net", "joe@example.net"])


@given(st.text(max_size=40) | st.text(alphabet='ab.@<>(),:;"\\ \n', max_size=25))
def test_any_header(value: str) -> None:
    domains: tuple[str, ...] = ("none.example",)
    with suppress(ValueError):  # and nothing else
        domains = author_domains([value])
    assert domains
    assert all(is_domain(domain) for domain in domains)
