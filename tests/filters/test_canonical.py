"""Messages in their canonical forms: as dkimpy makes them, and as RFC 6376 says where dkimpy does not."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading

import pytest
from dkim.canonicalization import CanonicalizationPolicy  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters import _canonical
from postmill.filters._canonical import Field, Parsed, off_loop
from postmill.filters._dkim import verify
from postmill.testing.conditions import FixedResolver
from tests.filters.keys import MESSAGE, rsa

PIECES = st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"\r", b"\0", b"\xff", b" \t \r\n", b"b" * 70_000])


def body_of(raw: bytes) -> Parsed:
    return Parsed.of(b"X: y\r\n\r\n" + raw)


def by_dkimpy(body: bytes, relaxed: bool) -> bytes:
    name = b"simple/relaxed" if relaxed else b"simple/simple"
    canonical: bytes = CanonicalizationPolicy.from_c_value(name).canonicalize_body(body)
    return hashlib.sha256(canonical).digest()


@given(st.lists(PIECES, max_size=12).map(b"".join), st.booleans())
def test_bodies_are_those_of_dkimpy(body: bytes, relaxed: bool) -> None:
    if relaxed and not body.endswith(b"\r\n"):
        body += b"\r\n"  # dkimpy lets blanks at the very end stand
    assert body_of(body).body_hash(relaxed) == by_dkimpy(body, relaxed)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [  # RFC 6376 §3.4.3, RFC 6376 §3.4.4, RFC 6376 §3.4.5
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \r\n\t", b" \r\n\t\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),
        (b"no end ", b"no end \r\n", b"no end\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"\r\r\n", b"\r\r\n", b"\r\r\n"),
        (b"bare\nlines \n\n", b"bare\r\nlines \r\n", b"bare\r\nlines\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    parsed = body_of(body)
    assert parsed.body_hash(False) == hashlib.sha256(simple).digest()
    assert parsed.body_hash(True) == hashlib.sha256(relaxed).digest()


@pytest.mark.parametrize("how", [b"simple", b"relaxed"])
def test_a_body_is_made_canonical_once_for_all_signatures(
    how: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    def counted(body: bytes) -> bytes:
        bodies.append(body)
        return ended(body)

    ended = _canonical._ended
    monkeypatch.setattr(_canonical, "_ended", counted)
    signed = MESSAGE
    for _ in range(10):
        signed = rsa().sign(signed, canonicalize=(b"relaxed", how))
    dns: dict[str, list[str] | OSError] = {"s1._domainkey.example.net": [rsa().record]}
    results = asyncio.run(verify(signed, FixedResolver(dns)))
    assert [one.result for one in results] == ["pass"] * 10
    assert len(bodies) == 1


def test_a_part_of_the_body() -> None:
    parsed = body_of(b"Hello,  you\r\n\r\n")
    assert parsed.body_hash(True, 7) == hashlib.sha256(b"Hello, ").digest()
    assert parsed.body_hash(True, 0) == hashlib.sha256(b"").digest()
    assert parsed.body_hash(False, 13) == parsed.body_hash(False)
    with pytest.raises(ValueError, match="more than the body"):
        parsed.body_hash(False, 14)


@pytest.mark.parametrize(
    ("value", "without"),
    [
        (b" a=b; b=xy z\r\n", b" a=b; b="),
        (b" b = xy\r\n z ;bh=b;z= b=c; b", b" b =;bh=b;z= b=c; b="),
        (b"v=1; z=From:a b=c; b=d==\r\n", b"v=1; z=From:a b=c; b="),
    ],
)
def test_signature_without_itself(value: bytes, without: bytes) -> None:
    assert Field(b"X", value).without_signature == Field(b"X", without)


@pytest.mark.parametrize(
    ("name", "value", "relaxed"),
    [  # RFC 6376 §3.4.2
        (b"SUBject \t", b" X \t\r\n", b"subject:X\r\n"),
        (b"A", b"\r\n a\r\n\t b  c \r\n", b"a:a b c\r\n"),
        (b"A", b"\r\n", b"a:\r\n"),
        (b"A", b" \x0b b\x0c\r\r\n", b"a:\x0b b\x0c\r\r\n"),
    ],
)
def test_relaxed_headers(name: bytes, value: bytes, relaxed: bytes) -> None:
    assert Field(name, value).relaxed == relaxed


def test_headers_from_the_bottom_up() -> None:
    parsed = Parsed.of(b"To: one\r\nX: x\r\nTO : two\r\n\t more\r\nnonsense\r\n\r\n")
    own = Field(b"S", b" b=abc\r\n")
    assert parsed.signed([b"to", b"to", b"to", b"y"], own, True) == b"to:two more\r\nto:one\r\ns:b="
    assert parsed.signed([b"to", b"x"], own, False) == b"TO : two\r\n\t more\r\nX: x\r\nS: b="


@given(
    st.lists(st.binary(max_size=6) | st.sampled_from([b"\r\n", b"\n", b":", b" "]), max_size=12).map(b"".join)
)
def test_any_message(raw: bytes) -> None:
    parsed = Parsed.of(raw)
    lines = b"".join(b"%s:%s" % (one.name, one.value) for one in parsed.fields)
    assert not re.search(rb"(?<!\r)\n", lines + parsed.body)


def test_large_ones_are_worked_on_in_a_thread() -> None:
    here = threading.get_ident()
    assert asyncio.run(off_loop(100, threading.get_ident)) == here
    assert asyncio.run(off_loop(10_000_000, threading.get_ident)) != here
