"""ARC chains that dkimpy makes: whole, broken, and what their sealers vouch for."""

from __future__ import annotations

import asyncio
import re

import dkim  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters._canonical import Parsed
from postmill.filters.authentication.arc import Arc, verify, vouched
from postmill.testing.conditions import FixedResolver
from tests.filters.keys import MESSAGE, rsa

Dns = dict[str, list[str] | OSError]
DNS: Dns = {f"s1._domainkey.{name}.example": [rsa().record] for name in ("one", "two", "three")}


def sealed(
    message: bytes, by: str, said: str = "spf=pass smtp.mailfrom=example.net", chain: str = "none"
) -> bytes:
    arc = "" if chain == "none" else f"; arc={chain}"
    results = f"Authentication-Results: {by}; {said}{arc}\r\n".encode()
    lines = dkim.arc_sign(results + message, b"s1", by.encode(), rsa().private, by.encode())
    return b"".join(lines) + message


def check(message: bytes, dns: Dns = DNS) -> Arc:
    return asyncio.run(verify(Parsed.of(message), FixedResolver(dns), 5))


CHAIN = sealed(
    sealed(sealed(MESSAGE, "one.example", "dmarc=pass header.from=example.net"), "two.example", chain="pass"),
    "three.example",
    chain="pass",
)


def test_no_chain() -> None:
    assert check(MESSAGE) == Arc("none")


def test_chain_of_three() -> None:
    found = check(CHAIN)
    assert (found.result, found.reason) == ("pass", "")
    assert [(seal.instance, seal.domain) for seal in found.seals] == [
        (3, "three.example"),
        (2, "two.example"),
        (1, "one.example"),
    ]
    assert found.seals[2].found == "one.example; dmarc=pass header.from=example.net"


def test_changed_on_the_way_and_sealed_again() -> None:
    changed = sealed(
        sealed(MESSAGE, "one.example").replace(b"Joe\r\n", b"Joe\r\n-- list\r\n"), "two.example", chain="pass"
    )
    assert check(changed).result == "pass"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello,", b"Goodbye,"),
        (rb"Subject: hello", b"Subject: goodbye"),
        (rb"dmarc=pass", b"dmarc=fail"),
        (rb"ARC-Seal: i=2", b"X-Seal: i=2"),
        (rb"ARC-Seal: i=2", b"ARC-Seal: i=1"),
        (rb"ARC-Authentication-Results: i=1;(.|\r\n )*\r\n", b""),
        (rb"(ARC-Seal: i=3; )cv=pass", rb"\1cv=none"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: i=3; h=from;"),
        (rb"ARC-Seal: i=3; cv=pass; a=rsa-sha256;", b"ARC-Seal: i=3; cv=pass; a=rsa-sha1;"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: i=51;"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: i=" + b"9" * 5000 + b";"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: i=-3;"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: "),
        (rb"(?s)^.*?(?=ARC-Seal: i=2)", b"ARC-Seal: i=3; cv=pass; a=rsa-sha256; d=e; s=s; b=A\r\n"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal: i=3; a=rsa-sha256; d=e; s=s; cv=fail; b=AA==\r\nX:"),
        (rb"(ARC-Message-Signature: i=3; (.|\r\n )*?h=)", rb"\1arc-seal:"),
        (rb"ARC-Seal: i=3;", b"ARC-Seal:" + b" " * 200 + b"i=3;"),
    ],
)
def test_broken_chains(old: bytes, new: bytes) -> None:
    broken = re.sub(old, new, CHAIN, count=1)
    assert broken != CHAIN
    found = check(broken)
    assert (found.result, found.seals) == ("fail", ())
    assert found.reason


def test_blanks_that_count_for_nothing() -> None:
    spaced = re.sub(rb"ARC-Message-Signature: i=3;", b"arc-message-signature:i=3;", CHAIN)
    spaced = re.sub(rb"ARC-Seal: i=2;", b"ARC-Seal:\r\n\ti=2;", spaced)
    spaced = re.sub(rb"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results:  i=1;", spaced)
    assert [seal.instance for seal in check(spaced).seals] == [3, 2, 1]


def test_too_many_sets() -> None:
    assert check(b"ARC-Seal: i=1; a=a; d=d; s=s\r\n" * 151 + MESSAGE) == Arc("fail", "more than 50 sets")


def test_headers_without_end() -> None:
    assert check(b"X: 1\r\n" * 2001 + CHAIN) == Arc("fail", "the headers are too large")


def test_missing_keys_and_failing_dns() -> None:
    assert check(CHAIN, {**DNS, "s1._domainkey.two.example": []}).unanswered == frozenset()
    failed = check(CHAIN, {**DNS, "s1._domainkey.two.example": OSError("SERVFAIL")})
    assert (failed.result, failed.unanswered) == ("fail", frozenset({"two.example"}))


@pytest.mark.parametrize(
    ("trusted", "instances"),
    [
        ([], 0),
        (["three.example"], 1),
        (["two.example", "three.example"], 2),
        (["one.example", "three.example"], 1),
        (["one.example"], 0),
        ([".example"], 3),
    ],
)
def test_who_is_believed(trusted: list[str], instances: int) -> None:
    assert len(vouched(check(CHAIN), trusted)) == instances


PIECES = st.sampled_from(
    [
        b"ARC-Seal:",
        b"ARC-Message-Signature:",
        b"ARC-Authentication-Results:",
        b"i=1;",
        b"i=2;",
        b"cv=none;",
        b"a=rsa-sha256;",
        b"b=AAAA;",
        b"bh=AAAA;",
        b"d=one.example;",
        b"s=s1;",
        b"h=from;",
        b"\r\n",
        b" ",
        b";",
        b"=",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join), st.integers(0, len(CHAIN)))
def test_any_chain(pieces: bytes, place: int) -> None:
    for message in (pieces, pieces + MESSAGE, CHAIN[:place] + pieces + CHAIN[place:]):
        assert check(message).result in ("pass", "fail", "none")
