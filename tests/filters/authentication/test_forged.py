"""Which Authentication-Results claim to be ours, and that exactly they go."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.edits import HeaderEdit
from postmill.filters.authentication.forged import forged, is_ours, remove
from postmill.testing.nouns import head
from postmill.wire.packets import ChangeHeader, ReplyPacket

OWN = "mx.example.org"


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.org; none",
        " MX.Example.ORG ; spf=pass",
        "mx.example.org 1; spf=pass",
        "(a (nested) comment)\n\tmx.example.org; none",
        "(\\)) mx.example.org(x); none",
        '"mx.example.org"; none',
        '"m\\x.example.org"; none',
        "mx.example.org",
        "mx.example.org.; none",
        "ｍｘ。ｅｘａｍｐｌｅ。ｏｒｇ; none",
        "mx.example.org\u00a0; none",
        "(a)\n (b)\n\tmx.example.org (c) 1 (d); none",
        'mx.example.org"x"; none',
    ],
)
def test_ours(value: str) -> None:
    assert is_ours(value, OWN)


@pytest.mark.parametrize(
    "value",
    [
        "other.example; spf=pass smtp.mailfrom=mx.example.org",
        "other.example (mx.example.org); spf=pass",
        "other.example mx.example.org; spf=pass",
        "mx.example.org.evil.example; none",
        "mx.example.org2; none",
        "mx.example.or; none",
        "mx .example.org2; none",
        "smtp.mx.example.org; none",
        "spf=pass (sender IP is 192.0.2.5) smtp.mailfrom=example.org; dkim=none",
        '"other.example" (a "quote"); dkim=pass',
        "(no end other.example; dkim=pass",
        "",
        ";",
    ],
)
def test_not_ours(value: str) -> None:
    assert not is_ours(value, OWN)


@pytest.mark.parametrize(
    "value",
    [
        "mx (x).example.org; dkim=pass",
        "mx .example.org; dkim=pass",
        "mx. example.org 1; dkim=pass",
        "mx .example. org . 1; dkim=pass",
        "mx\r\n\t.example.org; dkim=pass",
        "mx.example.(x)org; dkim=pass",
        "mx.(;)example.org; dkim=pass",
        'mx."example".org; dkim=pass',
        '"mx".EXAMPLE.org; dkim=pass',
        "mx.example\x0b.org; dkim=pass",
        "mx.exa\x01mple.org; dkim=pass",
        "mx.exa\u00admple.org; dkim=pass",
        "mx\\.example.org; dkim=pass",
        "mx \\(x .example.org; dkim=pass",
        'mx "(x" .example.org; dkim=pass',
        "mx) .example.org; dkim=pass",
        "mx ((x) .example.org; dkim=pass)",
        "mx (\\) .example.org; dkim=pass)",
        "mx (" + "x" * 2_000 + ") .example.org; dkim=pass",
    ],
)
def test_a_name_that_a_reader_may_put_together(value: str) -> None:
    assert is_ours(value, OWN)
    assert not is_ours(value, "mx.other.example")


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.org/1; dkim=pass",
        "mx.example.org, dkim=pass",
        "(no end MX.example.org; dkim=pass",
        ") mx.example.org; dkim=pass",
        "mx.example.org=1; dkim=pass",
        "mx.example.org\x01; dkim=pass",
        "\x0emx.example.org; dkim=pass",
        "[mx.example.org]; dkim=pass",
        "mx.example.org:25; dkim=pass",
        "<mx.example.org>; dkim=pass",
        "=?utf-8?q?mx.example.org?=; dkim=pass",
        '"mx.example.org;dkim=pass',
        "spf=pass smtp.mailfrom=x; mx.example.org; dkim=pass",
        "(" + "x" * 990 + ")mx.example.org; dkim=pass",
        "(" * 100_000 + "mx.example.org; dkim=pass",
        " " * 100_000 + "MX.example.org; dkim=pass",
        "ｍｘ.example.org=1; dkim=pass",
    ],
)
def test_what_a_lax_reader_may_take_for_ours(value: str) -> None:
    assert is_ours(value, OWN)
    assert not is_ours(value, "mx.other.example")


@pytest.mark.parametrize("own", ["mx.bücher.example", "mx.xn--bcher-kva.example", "MX.Bücher.Example"])
@pytest.mark.parametrize("written", ["mx.bücher.example", "mx.XN--bcher-kva.example", '"mx.BÜCHER.example"'])
def test_names_beyond_ascii(own: str, written: str) -> None:
    assert is_ours(f"{written}; dkim=pass", own)


def test_marks_without_end_are_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting combining marks takes time that grows with the square of their number."""
    lengths = []
    normalize = unicodedata.normalize

    def measured(form: Any, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", measured)
    marks = "\u0301\u0323" * 10_000
    assert is_ours(f"=1 mx.b{marks}.example, mx.bücher.example; dkim=pass", "mx.bücher.example")
    assert max(lengths) < 300


def test_exactly_ours_go_the_last_first() -> None:
    one = head(
        "Authentication-Results: mx.example.org; spf=pass",
        "Subject: x",
        "authentication-results: other.example; spf=pass",
        "AUTHENTICATION-RESULTS: (c) MX.EXAMPLE.ORG 1; dkim=pass",
        "ARC-Authentication-Results: i=1; mx.example.org; spf=pass",
        "Authentication-Results: third.example; none",
        'Authentication-Results: "mx.example.org"; dmarc=pass',
    )
    packets: list[ReplyPacket] = []
    assert remove(one.headers, OWN, HeaderEdit(packets))
    name = b"Authentication-Results"
    assert packets == [ChangeHeader(place, name, b"") for place in (5, 3, 1)]


def test_too_many_to_delete() -> None:
    packets: list[ReplyPacket] = []
    many = head(*["Authentication-Results: mx.example.org; none"] * 101)
    assert remove(many.headers[1:], OWN, HeaderEdit(packets))
    assert len(packets) == 100
    assert not remove(many.headers, OWN, HeaderEdit(packets))
    assert len(packets) == 100


CFWS = st.sampled_from(["", " ", "\n\t", "(x)", "((x) y)", "(\\()", "(;)", " (a)\n (b) "])


@given(
    CFWS, st.booleans(), st.randoms(), st.sampled_from(["", ";", " ;", " 1;", "(c);"]), st.text(max_size=20)
)
def test_no_disguise_helps(before: str, quoted: bool, random: object, after: str, rest: str) -> None:
    name = "".join(letter.upper() if random.random() < 0.5 else letter for letter in OWN)  # type: ignore[attr-defined]
    written = f'"{name}"' if quoted else name
    assert is_ours(before + written + after + (rest if after.endswith(";") else ""), OWN)


@given(st.lists(st.sampled_from(["mx.example.org; none", "other.example; none", "(", "x"]), max_size=8))
def test_counting(values: list[str]) -> None:
    headers = head(*(f"Authentication-Results: {value}" for value in values)).headers
    left = list(values)
    for place in reversed(forged(headers, OWN)):
        del left[place - 1]
    assert left == [value for value in values if not value.startswith(OWN)]


@given(st.text(max_size=40))
def test_any_value(value: str) -> None:
    assert is_ours(value, OWN) in (True, False)
    assert is_ours(f"mx.example.org; {value}", OWN)
