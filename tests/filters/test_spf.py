"""SPF beyond the suite: failing DNS, limits, several checks at once, and whatever a record may hold."""

from __future__ import annotations

import asyncio
import string
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters._spf import Spf, ask_spf, check_spf
from postmill.testing.conditions import FixedResolver

IP = ip_address("192.0.2.5")
WORDS = {"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"}


def ask(
    answers: dict[str, list[str] | OSError], sender: str = "joe@example.net", helo: str = "mx.example.net"
) -> Spf:
    return asyncio.run(ask_spf(IP, helo, sender, FixedResolver(answers)))


def test_the_word_alone() -> None:
    resolver = FixedResolver({"TXT example.net": ["v=spf1 ip4:192.0.2.0/24 -all"]})
    assert asyncio.run(check_spf(IP, "mx.example.net", "joe@example.net", resolver)) == "pass"


def test_null_sender_is_judged_by_helo() -> None:
    answers: dict[str, list[str] | OSError] = {
        "TXT mx.example.net": ["v=spf1 a -all"],
        "A mx.example.net": ["192.0.2.5"],
    }
    assert ask(answers, "") == Spf("pass", "helo", "mx.example.net")


@pytest.mark.parametrize("helo", ["", "[192.0.2.5]", "localhost", "-x!.example"])
def test_no_domain_no_result(helo: str) -> None:
    assert ask({}, "", helo).result == "none"


def test_domain_beyond_ascii() -> None:
    answer = ask({"TXT xn--bcher-kva.example": ["v=spf1 -all"]}, "joe@bücher.example")
    assert (answer.result, answer.domain) == ("fail", "xn--bcher-kva.example")


@pytest.mark.parametrize("local", ['"jo@e"', '"a@b.example"', "jo@e"])
def test_local_part_with_an_at_sign(local: str) -> None:
    """RFC 5321 §4.1.2 has such ones in quotes; without them the last is what a domain stands behind."""
    dns: dict[str, list[str] | OSError] = {"TXT example.net": ["v=spf1 exists:%{l}.%{o}.list.example -all"]}
    assert ask(dns, f"{local}@example.net") == Spf("fail", "mailfrom", "example.net")
    dns[f"A {local}.example.net.list.example"] = ["127.0.0.2"]
    assert ask(dns, f"{local}@example.net").result == "pass"


def test_explanation_of_the_owner() -> None:
    answers: dict[str, list[str] | OSError] = {
        "TXT example.net": ["v=spf1 -all exp=why.example.net"],
        "TXT why.example.net": ["%{i} may not send for %{d}"],
    }
    assert ask(answers).explanation == "192.0.2.5 may not send for example.net"


def test_failing_dns_is_temporary_and_says_so() -> None:
    answer = ask({"TXT example.net": OSError("SERVFAIL")})
    assert (answer.result, answer.explanation) == ("temperror", "DNS SERVFAIL")


def test_failing_ptr_is_no_error() -> None:  # RFC 7208 §5.5
    answers: dict[str, list[str] | OSError] = {
        "TXT example.net": ["v=spf1 ptr ~all"],
        "PTR 5.2.0.192.in-addr.arpa": OSError("SERVFAIL"),
    }
    assert ask(answers).result == "softfail"


def test_ptr_skips_names_that_dns_fails_for() -> None:  # RFC 7208 §5.5
    answers: dict[str, list[str] | OSError] = {
        "TXT example.net": ["v=spf1 ptr -all"],
        "PTR 5.2.0.192.in-addr.arpa": ["bad.example.net.", "good.example.net."],
        "A bad.example.net": OSError("SERVFAIL"),
        "A good.example.net": ["192.0.2.5"],
    }
    assert ask(answers).result == "pass"


def test_dns_that_never_answers() -> None:
    class Silent(FixedResolver):
        async def texts(self, *_: object, **__: object) -> tuple[str, ...]:
            await asyncio.Event().wait()
            return ()

    answer = asyncio.run(ask_spf(IP, "mx.example.net", "joe@example.net", Silent({}), within=0.05))
    assert answer.result == "temperror"


def test_addresses_of_all_mx_are_asked_together() -> None:
    resolver = FixedResolver(
        {
            "TXT example.net": ["v=spf1 mx -all"],
            "MX example.net": [f"10 mx{n}.example.net." for n in range(10)],
            **{f"A mx{n}.example.net": ["192.0.2.77"] for n in range(9)},
            "A mx9.example.net": ["192.0.2.5"],
        }
    )
    assert asyncio.run(check_spf(IP, "mx", "joe@example.net", resolver)) == "pass"
    assert len(resolver.asked) == 12


def test_endless_records_end() -> None:
    long = "v=spf1 " + "ip4:198.51.100.7 " * 600 + "-all"
    assert ask({"TXT example.net": [long]}).result == "permerror"
    includes = {f"TXT {n}.example.net": [f"v=spf1 include:{n + 1}.example.net -all"] for n in range(30)}
    assert ask({"TXT example.net": ["v=spf1 include:0.example.net"], **includes}).result == "permerror"


def test_terms_that_would_take_long_to_expand() -> None:
    long = "v=spf1 exists:%{s" + ".-+,/_=" * 1200 + "} -all"
    assert ask({"TXT example.net": [long]}).result == "permerror"
    near = "v=spf1 exists:%{s" + ".-+,/_=" * 60 + "}.example.net -all"
    assert ask({"TXT example.net": [near]}).result == "fail"


def test_addresses_without_end() -> None:
    records: dict[str, list[str] | OSError] = {"TXT example.net": ["v=spf1 a ptr:example.net -all"]}
    names = [f"p{n}.example.net." for n in range(1100)]
    few = {**records, "A example.net": ["192.0.2.77"] * 900, "PTR 5.2.0.192.in-addr.arpa": names}
    found = {f"A p{n}.example.net": [f"192.0.2.{14 - n}"] for n in range(10)}
    assert ask({**few, **found}).result == "pass"
    assert ask({**few, **found, "A example.net": ["192.0.2.5"] * 1001}).explanation == "too many DNS records"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["%{i} is not ours. Ask %{d}."], "192.0.2.5 is not ours. Ask example.net."),
        (["a. " + "x" * 250], "a. " + "x" * 250),
        (["a. " + "x" * 251], ""),
        (["%{s" + ".-+,/_=" * 5000 + "}"], ""),
        (["one", "two"], ""),
        (["\x07ü"], ""),
        ([], ""),
        (OSError("SERVFAIL"), ""),
    ],
)
def test_explanations(texts: list[str] | OSError, said: str) -> None:
    answer = ask({"TXT example.net": ["v=spf1 exp=why.example.net -all"], "TXT why.example.net": texts})
    assert (answer.result, answer.explanation) == ("fail", said)


def test_several_checks_at_once() -> None:
    async def both() -> list[str]:
        resolvers = [FixedResolver({"TXT example.net": [f"v=spf1 {end}all"]}) for end in "+-~?"]
        checks = (check_spf(IP, "mx", "joe@example.net", resolver) for resolver in resolvers)
        return list(await asyncio.gather(*checks))

    assert asyncio.run(both()) == ["pass", "fail", "softfail", "neutral"]


TERM = st.text(alphabet=string.printable + "ä\0", max_size=20)
MECHANISM = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "+", "-", "~", "?"]),
    st.sampled_from(["a", "mx", "ptr", "exists", "include", "ip4", "ip6", "all", "redirect=", "exp=", "x="]),
    st.sampled_from(["", ":", "/", "//", ":%{", ":%{d}", "%{p}.", ":%{l1r-}.x.example.net", "%"]),
    TERM,
)


@given(st.lists(MECHANISM | TERM, max_size=8).map(" ".join), st.text(max_size=30), st.text(max_size=30))
def test_any_record(terms: str, helo: str, local: str) -> None:
    answers: dict[str, list[str] | OSError] = {
        "TXT example.net": ["v=spf1 " + terms],
        "PTR 5.2.0.192.in-addr.arpa": ["mx.example.net."],
        "mx.example.net": ["192.0.2.5"],
    }
    answer = ask(answers, f"{local}@example.net", helo)
    assert answer.result in WORDS
    assert answer.explanation.isprintable()
    assert answer.explanation.isascii()
