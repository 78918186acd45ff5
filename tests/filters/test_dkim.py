"""Verification of DKIM signatures: published vectors, every result, and whatever a message may hold."""

from __future__ import annotations

import asyncio
import base64
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters._canonical import Field, Parsed
from postmill.filters._dkim import Result, verify
from postmill.testing.conditions import FixedResolver
from tests.filters.keys import MESSAGE, Key, ed25519, rsa
from tests.filters.vectors import ED25519_NAME, EXIM, EXIM_KEYS, RFC8463, RFC8463_KEYS, RSA_NAME, SIMPLE

NAME = "s1._domainkey.example.net"
Dns = dict[str, list[str] | OSError]


def results(raw: bytes, dns: Dns) -> tuple[Result, ...]:
    return asyncio.run(verify(raw, FixedResolver(dns)))


def only(raw: bytes, dns: Dns) -> tuple[str, str]:
    (result,) = results(raw, dns)
    return result.result, result.reason


def test_rfc_8463_appendix_a() -> None:
    first, second = results(RFC8463, RFC8463_KEYS)
    assert (first.result, first.domain, first.selector) == ("pass", "football.example.com", "brisbane")
    assert (first.algorithm, first.identity, first.start) == (
        "ed25519-sha256",
        "@football.example.com",
        "/gCrinpc",
    )
    assert (second.result, second.selector, second.bits) == ("pass", "test", 1024)


def test_rfc_8463_with_one_bit_turned() -> None:
    turned = RFC8463.replace(b"dinner", b"dinnfr")
    assert [one.result for one in results(turned, RFC8463_KEYS)] == ["fail", "fail"]
    body = RFC8463.replace(b"hungry", b"hungrz")
    assert {one.reason for one in results(body, RFC8463_KEYS)} == {"body hash did not verify"}


def test_vectors_of_dkimpy() -> None:
    assert only(EXIM, EXIM_KEYS) == ("pass", "")
    assert only(SIMPLE, RFC8463_KEYS) == ("pass", "")
    assert only(SIMPLE.replace(b"q=dns/txt; s=test", b"q=dns/txt;  s=test"), RFC8463_KEYS)[0] == "fail"


def test_keys_are_not_mixed_up() -> None:
    swapped = {ED25519_NAME: RFC8463_KEYS[RSA_NAME], RSA_NAME: RFC8463_KEYS[ED25519_NAME]}
    assert {one.reason for one in results(RFC8463, swapped)} == {"key is for another algorithm"}


@pytest.mark.parametrize("key", [rsa(), rsa(2048), ed25519()], ids=["rsa1024", "rsa2048", "ed25519"])
@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_signed_by_dkimpy(key: Key, header: bytes, body: bytes) -> None:
    signed = key.sign(canonicalize=(header, body))
    assert only(signed, {NAME: [key.record]}) == ("pass", "")
    blanks = signed.replace(b"Hello,  Jane.", b"Hello, Jane. ")
    assert only(blanks, {NAME: [key.record]})[0] == ("pass" if body == b"relaxed" else "fail")
    name = signed.replace(b"Subject:", b"SUBJECT: ")
    assert only(name, {NAME: [key.record]})[0] == ("pass" if header == b"relaxed" else "fail")


def test_line_ends_of_a_file() -> None:
    assert only(rsa().sign().replace(b"\r\n", b"\n"), {NAME: [rsa().record]}) == ("pass", "")


def test_no_signature() -> None:
    assert results(MESSAGE, {}) == ()


def test_second_from_is_found() -> None:
    forged = b"From: boss@example.net\r\n" + rsa().sign()
    assert only(forged, {NAME: [rsa().record]}) == ("fail", "signature did not verify")


P = rsa().record.partition("p=")[2]


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        ([], "permerror", "no key for signature"),
        (OSError("SERVFAIL"), "temperror", "key not found: SERVFAIL"),
        (["v=DKIM1; p="], "permerror", "key was revoked"),
        (["v=DKIM1; k=rsa"], "permerror", "bad key: p= is no rsa key"),
        (["v=DKIM2; p=" + P], "permerror", "bad key: bad version"),
        (["v=DKIM1; k=ed25519; p=" + P], "permerror", "key is for another algorithm"),
        (["v=DKIM1; h=sha1; p=" + P], "permerror", "key is for another hash"),
        (["v=DKIM1; h=sha1:sha256; p=" + P], "pass", ""),
        (["v=DKIM1; s=tlsrpt; p=" + P], "permerror", "key is not for mail"),
        (["v=DKIM1; s=email:x; p=" + P], "pass", ""),
        (["v=DKIM1; t=s; p=" + P], "pass", ""),
        (["p=" + P], "pass", ""),
        (["unrelated", rsa().record], "pass", ""),
        (["v=DKIM1; p=" + "A" * 8000], "policy", "the key's record is too large"),
        (["v=DKIM1; p=!!!!"], "permerror", None),
        (["v=DKIM1; p=MAA="], "permerror", None),
        (["\x00"], "permerror", None),
    ],
)
def test_keys(answer: list[str] | OSError, result: str, reason: str | None) -> None:
    said = only(rsa().sign(), {NAME: answer})
    assert said == (result, said[1] if reason is None else reason)


def test_key_not_for_subdomains() -> None:
    signed = rsa().sign(identity=b"joe@mail.example.net")
    assert only(signed, {NAME: ["v=DKIM1; t=s; p=" + P]}) == ("permerror", "key is not for subdomains")
    assert only(signed, {NAME: [rsa().record]}) == ("pass", "")


def test_small_key_does_not_count() -> None:  # RFC 8301 §3.2
    assert only(rsa(512).sign(), {NAME: [rsa(512).record]}) == ("policy", "RSA key of 512 bits")


def test_sha1_does_not_count() -> None:  # RFC 8301 §3.1
    signed = rsa().sign(signature_algorithm=b"rsa-sha1")
    assert only(signed, {NAME: [rsa().record]}) == ("policy", "rsa-sha1 is no longer valid")


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (rb"h=[^;]*;", b"h=to : subject;", "permerror"),
        (rb"d=example.net;", b"", "permerror"),
        (rb"v=1;", b"v=2;", "permerror"),
        (rb"a=rsa-sha256;", b"a=rsa-md5;", "permerror"),
        (rb"t=\d+;", b"t=99999999999;", "permerror"),
        (rb"t=\d+;", b"t=1; x=2;", "permerror"),
        (rb"c=relaxed/simple;", b"c=lax/simple;", "permerror"),
        (rb"i=@example.net;", b"i=@example.com;", "permerror"),
        (rb"s=s1;", b"s=s1; s=s1;", "permerror"),
        (rb"v=1;", b"v=1; l=;", "permerror"),
        (rb"v=1;", b"v=1; z=" + b" " * 150 + b"x;", "policy"),
        (rb"v=1;", b"v=1; z=" + b"x" * 11_000 + b";", "policy"),
        (rb"h=", b"h=" + b"a:" * 500, "policy"),
        (rb"bh=[^;]*;", b"bh=xx;", "permerror"),
        (rb"bh=[^;]*;", b"bh=AAAA;", "fail"),
    ],
)
def test_signatures(old: bytes, new: bytes, result: str) -> None:
    signed = rsa().sign()
    changed = re.sub(old, new, signed, count=1)
    assert changed != signed
    assert only(changed, {NAME: [rsa().record]})[0] == result


@pytest.mark.parametrize(
    ("tag", "result"),
    [
        (b"q=dns/txt", "pass"),
        (b"q=other : dns/txt", "pass"),
        (b"q=other", "permerror"),
        (b"q=dns", "permerror"),
    ],
)
def test_tags_that_were_signed(tag: bytes, result: str) -> None:
    said = only(signed_with(b"v=1; t=1700000000; " + tag), {NAME: [rsa().record]})
    assert said[0] == result, said


@pytest.mark.parametrize(("ahead", "result"), [(3600, "pass"), (-100, "pass"), (-3600, "permerror")])
def test_the_end_that_a_signature_has(ahead: int, result: str) -> None:
    tags = b"v=1; t=1700000000; x=%d" % (time.time() + ahead)
    assert only(signed_with(tags), {NAME: [rsa().record]})[0] == result


def test_signed_in_the_future() -> None:
    for ahead, result in ((200, "pass"), (3600, "permerror")):
        signed = signed_with(b"v=1; t=%d" % (time.time() + ahead))
        assert only(signed, {NAME: [rsa().record]})[0] == result


def signed_with(tags: bytes) -> bytes:
    """Return the message with a signature that has some tags more, which dkimpy does not write."""
    rest = b"; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=s1; h=from; bh=%s; b="
    parsed = Parsed.of(MESSAGE)
    text = b" " + tags + rest % base64.b64encode(parsed.body_hash(True))
    data = parsed.signed([b"from"], Field(b"DKIM-Signature", text + b"\r\n"), True)
    return b"DKIM-Signature:" + text + base64.b64encode(rsa().signature_of(data)) + b"\r\n" + MESSAGE


def test_only_some_are_verified() -> None:
    signed = MESSAGE
    for _ in range(12):
        signed = rsa().sign(signed)
    *verified, rest = results(signed, {NAME: [rsa().record]})
    assert [one.result for one in verified] == ["pass"] * 10
    assert (rest.result, rest.reason) == ("policy", "2 more signatures, only 10 are verified")


@pytest.mark.parametrize("more", [b"X: 1\r\n" * 2001, b"X: " + b"1" * 1_000_000 + b"\r\n"])
def test_headers_without_end(more: bytes) -> None:
    (result,) = results(rsa().sign(more + MESSAGE), {NAME: [rsa().record]})
    assert (result.result, result.reason) == ("policy", "the headers are too large")


def test_blanks_without_end_take_no_time() -> None:  # dkimpy's own way would take hours
    message = MESSAGE + b" " * 1_000_000 + b"x\r\n"
    signed = rsa().sign(MESSAGE, canonicalize=(b"relaxed", b"relaxed")).replace(MESSAGE, message)
    assert only(signed, {NAME: [rsa().record]}) == ("fail", "body hash did not verify")


def test_domain_beyond_ascii() -> None:
    signed = rsa().sign(domain="xn--bcher-kva.example").replace(b"xn--bcher-kva", "bücher".encode())
    (result,) = results(signed, {"s1._domainkey.xn--bcher-kva.example": [rsa().record]})
    assert result.domain == "xn--bcher-kva.example"
    assert result.result in ("permerror", "fail")  # the change broke it; what counts is which key was asked


PIECES = st.sampled_from(
    [
        b"DKIM-Signature:",
        b"From: a@b",
        b"\r\n",
        b"\n",
        b"\r\n ",
        b";",
        b"=",
        b"v=1",
        b"a=rsa-sha256",
        b"b=AAAA",
        b"bh=AAAA",
        b"d=example.net",
        b"s=s1",
        b"h=from",
        b"c=relaxed",
        b"i=@example.net",
        b"l=1",
        b"t=1",
        b"x=9",
        b"\xff",
        b"\x00",
        b":",
        b"q=dns/txt",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join))
def test_any_message(raw: bytes) -> None:
    for result in results(raw, {NAME: [rsa().record]}):
        assert result.result in ("pass", "fail", "policy", "temperror", "permerror")
        assert (
            result.domain + result.selector + result.reason + result.start + result.identity
        ).isprintable()


@given(st.text(max_size=60) | st.text(alphabet="v=DKIM1; kpars:0AMB\\/+", max_size=60))
def test_any_key(record: str) -> None:
    assert only(rsa().sign(), {NAME: [record]})[0] in ("permerror", "policy", "fail")


@given(st.text(alphabet="v=DKI1;k rsaed25519tsp=hMAQB", max_size=40))
def test_any_key_for_ed25519(record: str) -> None:
    assert only(ed25519().sign(), {NAME: [f"k=ed25519; p={record}"]})[0] in ("permerror", "fail")
