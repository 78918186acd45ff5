"""DMARC: records, alignment and policies of RFC 7489."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters.authentication.dmarc import (
    POLICIES,
    Dmarc,
    Policy,
    aligned,
    evaluate,
    find_policy,
    parse_policy,
    speaks,
    strictest,
)
from postmill.filters.authentication.suffixes import Organizations
from postmill.testing.conditions import FixedResolver

SUFFIXES = """\
// a list
com
org
uk
co.uk
github.io
io
*.ck
!www.ck
"""


@pytest.fixture(params=["publicsuffixlist", "publicsuffix2"])
def organizations(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Organizations:
    path = tmp_path / "list"
    path.write_text(SUFFIXES)
    if request.param == "publicsuffix2":
        real = importlib.import_module

        def without(name: str) -> object:
            if name == "publicsuffixlist":
                raise ModuleNotFoundError(name=name)
            return real(name)

        monkeypatch.setattr(importlib, "import_module", without)
    return Organizations.load(str(path))


@pytest.mark.parametrize(
    ("domain", "organization"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("a.user.github.io", "user.github.io"),
        ("a.example.unknown", "example.unknown"),
        ("a.b.c.ck", "b.c.ck"),
        ("a.www.ck", "www.ck"),
    ],
)
def test_organizations(organizations: Organizations, domain: str, organization: str) -> None:
    assert organizations.of(domain) == organization


def test_list_of_the_system_or_the_library() -> None:
    assert Organizations.load("").of("a.b.example.co.uk") == "example.co.uk"


def test_lists_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Organizations.load(str(tmp_path / "none"))
    (tmp_path / "empty").write_text("// nothing\n\n")
    with pytest.raises(ValueError, match="has no public suffixes"):
        Organizations.load(str(tmp_path / "empty"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="utf-8"):
        Organizations.load(str(tmp_path / "bytes"))


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("v=DMARC1; p=none", Policy("none")),
        (
            "v=DMARC1;p=reject;adkim=s;aspf=s;pct=50",
            Policy("reject", strict_dkim=True, strict_spf=True, percent=50),
        ),
        ("v = DMARC1 ; P = Reject ; sp=none", Policy("reject")),
        ("v=DMARC1; p=quarantine; adkim=r; aspf=x; pct=101", Policy("quarantine")),
        ("v=DMARC1; p=reject; pct=0", Policy("reject", percent=0)),
        ("v=DMARC1; p=reject; pct=-1; unknown=1; p=none; ;; =", Policy("reject")),
        ("v=DMARC1; p; p\t=\treject\t; =none", Policy("reject")),
        ("v=DMARC1; p=bad; rua=mailto:a@example.com", Policy("none")),
        ("v=DMARC1; rua=mailto:a@example.com", Policy("none")),
        ("v=DMARC1; p=reject; sp=bad; rua=mailto:a@example.com", Policy("none")),
        ("v=DMARC1; p=bad", None),
        ("v=DMARC1; p=bad; rua=", None),
        ("v=DMARC1", None),
        ("v=DMARC2; p=reject", None),
        ("v=dmarc1; p=reject", None),
        ("v=DMARC10; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("", None),
    ],
)
def test_records(record: str, policy: Policy | None) -> None:
    assert parse_policy(record, subdomain=False) == policy


def test_blanks_without_end() -> None:
    """A way of reading that looks at each run of blanks more than once would not come to an end here."""
    record = "v=DMARC1; x=a" + " " * 3_000_000 + "a; p=reject"
    assert parse_policy(record, subdomain=False) == Policy("reject")


def test_policy_for_subdomains() -> None:
    assert parse_policy("v=DMARC1; p=none; sp=reject", subdomain=True) == Policy("reject")
    assert parse_policy("v=DMARC1; p=quarantine", subdomain=True) == Policy("quarantine")


@given(st.text(max_size=40) | st.text(alphabet="v=DMARC1;psn ubarejcto0", max_size=60))
def test_any_record(rest: str) -> None:
    policy = parse_policy("v=DMARC1;" + rest, subdomain=False)
    assert policy is None or (policy.policy in POLICIES and 0 <= policy.percent <= 100)


def found(dns: dict[str, list[str] | OSError], organizations: Organizations, domain: str) -> Policy | None:
    return asyncio.run(find_policy(domain, organizations, FixedResolver(dns), 5))


@pytest.mark.parametrize(
    ("dns", "policy"),
    [
        (
            {"_dmarc.mail.example.com": ["v=DMARC1; p=none"], "_dmarc.example.com": ["v=DMARC1; p=reject"]},
            "none",
        ),
        ({"_dmarc.example.com": ["v=DMARC1; p=none; sp=reject"]}, "reject"),
        ({"_dmarc.mail.example.com": ["unrelated"], "_dmarc.example.com": ["v=DMARC1; p=reject"]}, "reject"),
        (
            {
                "_dmarc.mail.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
                "_dmarc.example.com": ["v=DMARC1; p=reject"],
            },
            None,
        ),
        ({"_dmarc.com": ["v=DMARC1; p=reject"]}, None),
        ({}, None),
    ],
)
def test_where_a_policy_is(
    dns: dict[str, list[str] | OSError], policy: str | None, organizations: Organizations
) -> None:
    answer = found(dns, organizations, "mail.example.com")
    assert (answer.policy if answer else None) == policy


def test_malformed_policy_is_told(organizations: Organizations) -> None:
    with pytest.raises(ValueError, match=r"the record of example\.com is malformed"):
        found({"_dmarc.example.com": ["v=DMARC1; p=oops"]}, organizations, "mail.example.com")


def test_failing_dns_is_told(organizations: Organizations) -> None:
    with pytest.raises(OSError, match="SERVFAIL"):
        found({"_dmarc.mail.example.com": OSError("SERVFAIL")}, organizations, "mail.example.com")


@pytest.mark.parametrize(
    ("one", "author", "strict", "expected"),
    [  # RFC 7489 §3.1, and what the public suffix list is for
        ("example.com", "example.com", True, True),
        ("example.com", "news.example.com", False, True),
        ("news.example.com", "example.com", False, True),
        ("a.example.com", "b.example.com", False, True),
        ("example.com", "news.example.com", True, False),
        ("com", "example.com", False, False),
        ("co.uk", "example.co.uk", False, False),
        ("github.io", "user.github.io", False, False),
        ("other.github.io", "user.github.io", False, False),
        ("example.org", "example.com", False, False),
        ("badexample.com", "example.com", False, False),
        ("example.com", "example.com", False, True),  # appendix B.1.1, B.1.2: one and one
        ("child.example.com", "example.com", False, True),  # two
        ("child.example.com", "example.com", True, False),
        ("example.net", "child.example.com", False, False),  # three
        ("sample.net", "child.example.com", False, False),
    ],
)
def test_alignment(one: str, author: str, strict: bool, expected: bool, organizations: Organizations) -> None:
    assert aligned(one, author, strict, organizations) == expected


@pytest.mark.parametrize(
    ("policy", "spf", "dkim", "result", "disposition"),
    [
        (Policy("reject"), "example.com", [], "pass", "none"),
        (Policy("reject"), "", ["other.example", "mail.example.com"], "pass", "none"),
        (Policy("reject", strict_dkim=True), "", ["mail.example.com"], "fail", "reject"),
        (Policy("reject", strict_spf=True), "mail.example.com", [], "fail", "reject"),
        (Policy("reject", strict_spf=True), "mail.example.com", ["example.com"], "pass", "none"),
        (Policy("quarantine"), "other.example", ["other.example"], "fail", "quarantine"),
        (Policy("none"), "", [], "fail", "none"),
        (Policy("reject", percent=43), "", [], "fail", "reject"),
        (Policy("reject", percent=42), "", [], "fail", "quarantine"),
        (Policy("quarantine", percent=42), "", [], "fail", "none"),
        (Policy("none", percent=42), "", [], "fail", "none"),
    ],
)
def test_evaluation(
    policy: Policy,
    spf: str,
    dkim: list[str],
    result: str,
    disposition: str,
    organizations: Organizations,
) -> None:
    passed = speaks("example.com", policy, organizations, [spf] if spf else [], dkim)
    judged = evaluate("example.com", policy, passed, sample=42)
    assert (judged.result, judged.disposition) == (result, disposition)


def test_strictest() -> None:
    reject, quarantine, none = (
        Dmarc("fail", f"{word}.example", word, disposition=word) for word in ("reject", "quarantine", "none")
    )
    passed = Dmarc("pass", "pass.example", "reject")
    assert strictest([passed, quarantine, reject, none]) == reject
    assert strictest([passed, none]) == none
    assert strictest([passed]) == passed
    unknown, harmless = Dmarc("temperror", "a.example"), Dmarc("temperror", "b.example", "none")
    assert strictest([none, harmless, unknown, passed]) == unknown
    assert strictest([unknown, quarantine]) == quarantine
