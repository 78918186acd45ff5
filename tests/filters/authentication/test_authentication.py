"""The filter authentication as a whole: its header, forged ones, policies followed, trusted sealers, failing DNS."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import authres  # type: ignore[import-untyped]
import authres.arc  # type: ignore[import-untyped]
import authres.dmarc  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.ports import Resolver
from postmill.api.verdicts import Accept, Quarantine, Reject
from postmill.filters._dkim import Result
from postmill.filters._spf import Spf
from postmill.filters.authentication import app
from postmill.filters.authentication.app import own_name
from postmill.filters.authentication.arc import Arc, Seal
from postmill.filters.authentication.dmarc import Dmarc
from postmill.filters.authentication.results import Found, Vouched, header_value, read_vouched
from postmill.testing.conditions import FixedResolver
from postmill.testing.delivery import Delivery, deliver
from postmill.testing.nouns import message
from tests.filters.authentication.test_arc import DNS as ARC_DNS
from tests.filters.authentication.test_arc import sealed
from tests.filters.keys import MESSAGE, rsa

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r\n<>"), max_size=20)
Dns = dict[str, list[str] | OSError]
NAME = "Authentication-Results"
SUFFIXES = str(Path(__file__).with_name("suffixes.txt"))
SPF = "TXT example.net"
KEY = "s1._domainkey.example.net"
POLICY = "_dmarc.example.net"
GOOD: Dns = {SPF: ["v=spf1 ip4:192.0.2.5 -all"], KEY: [rsa().record], POLICY: ["v=DMARC1; p=reject"]}
BAD: Dns = {**GOOD, SPF: ["v=spf1 -all"]}
MACROS = {"C": {"j": "mx.example.org"}, "R": {"i": "4Z1abc"}}
FOLLOW = {"dmarc_reject": "reject", "dmarc_quarantine": "quarantine"}


def send(
    message: bytes = MESSAGE, dns: Dns = GOOD, settings: dict[str, Any] | None = None, **how: Any
) -> Delivery:
    how.setdefault("macros", MACROS)
    written = {"public_suffix_list": SUFFIXES, **(settings or {})}
    return deliver(app, message=message, settings=written, ports={Resolver: FixedResolver(dns)}, **how)


def said(delivery: Delivery) -> list[str]:
    """Return the results of the only header, each on its own."""
    (value,) = delivery.all(NAME)
    return [part.strip() for part in value.split(";\n\t" if ";\n\t" in value else ";")]


def test_everything_passes() -> None:
    delivery = send(rsa().sign())
    start = "".join(delivery.all("DKIM-Signature")[0].split()).partition(";b=")[2][:8]
    assert delivery.headers[0].name == NAME
    quoted = f'"{start}"' if set(start) & set("/=") else start
    assert said(delivery) == [
        "mx.example.org",
        "spf=pass smtp.mailfrom=joe@example.net",
        f"dkim=pass (1024-bit key) header.d=example.net header.i=@example.net header.s=s1 header.b={quoted}",
        "arc=none",
        "dmarc=pass (p=reject dis=none) header.from=example.net",
    ]


def test_nothing_is_known() -> None:
    assert said(send(dns={}))[1:] == [
        "spf=none smtp.mailfrom=joe@example.net",
        "dkim=none",
        "arc=none",
        "dmarc=none header.from=example.net",
    ]


def test_reported_only_by_default() -> None:
    delivery = send(dns=BAD)
    assert delivery.verdict == Accept()
    assert said(delivery)[-1] == "dmarc=fail (p=reject dis=reject) header.from=example.net"


def test_log_says_what_was_found() -> None:
    verdict = send(rsa().sign(), dns=BAD).verdict
    assert isinstance(verdict, Accept)
    assert verdict.because == "spf=fail dkim=pass arc=none dmarc=pass"


def test_policy_is_followed() -> None:
    delivery = send(dns=BAD, settings=FOLLOW)
    assert delivery.verdict == Reject("5.7.1 rejected by DMARC policy for example.net")
    quarantined = send(dns={**BAD, POLICY: ["v=DMARC1; p=quarantine"]}, settings=FOLLOW)
    assert quarantined.verdict == Quarantine("quarantined by DMARC policy for example.net")
    assert said(quarantined)[-1] == "dmarc=fail (p=quarantine dis=quarantine) header.from=example.net"
    milder = send(dns=BAD, settings={"dmarc_reject": "quarantine"})
    assert milder.status == "quarantine"
    assert send(dns={**BAD, POLICY: ["v=DMARC1; p=none"]}, settings=FOLLOW).status == "accept"


def test_signature_is_enough_for_dmarc() -> None:
    assert send(rsa().sign(), dns=BAD, settings=FOLLOW).status == "accept"
    assert send(rsa().sign().replace(b"Joe\r\n", b"Jim\r\n"), dns=BAD, settings=FOLLOW).status == "reject"


def test_spf_of_another_domain_is_not_enough() -> None:
    dns = {**GOOD, "TXT other.example": ["v=spf1 +all"]}
    assert send(dns=dns, settings=FOLLOW, sender="x@other.example").status == "reject"


def test_share_of_failing_mail() -> None:
    dns = {**BAD, POLICY: ["v=DMARC1; p=quarantine; pct=50"]}
    macros = [{"C": {"j": "mx.example.org"}, "R": {"i": f"4Z{number}"}} for number in range(100)]
    held = [send(dns=dns, settings=FOLLOW, macros=one).status for one in macros].count("quarantine")
    assert 25 < held < 75


def test_spf_refuses_before_the_message_is_sent() -> None:
    delivery = send(
        dns={**BAD, SPF: ["v=spf1 exp=why.example.net -all"], "TXT why.example.net": ["go away"]},
        settings={"spf_fail": "reject"},
    )
    assert delivery.reply == "550 5.7.23 SPF: go away"
    plain = send(dns=BAD, settings={"spf_fail": "reject"})
    assert plain.reply == "550 5.7.23 SPF: 192.0.2.5 is not allowed to send mail for example.net"
    assert (
        send(dns={**BAD, SPF: ["v=spf1 ~all"]}, settings={"spf_fail": "reject", "checks": ["spf"]}).status
        == "accept"
    )


FAILED = OSError("SERVFAIL")


@pytest.mark.parametrize(
    ("message", "dns", "result"),
    [
        (
            MESSAGE,
            {**BAD, SPF: FAILED},
            'dmarc=temperror (p=reject dis=none) reason="DNS failed" header.from=example.net',
        ),
        (
            rsa().sign(),
            {**BAD, KEY: FAILED},
            'dmarc=temperror (p=reject dis=none) reason="DNS failed" header.from=example.net',
        ),
        (MESSAGE, {**BAD, POLICY: FAILED}, 'dmarc=temperror reason="DNS SERVFAIL" header.from=example.net'),
    ],
)
def test_failing_dns_refuses_nothing(message: bytes, dns: Dns, result: str) -> None:
    delivery = send(
        message, dns=dns, settings={**FOLLOW, "spf_fail": "reject"} if dns[SPF] == FAILED else FOLLOW
    )
    assert delivery.status == "accept"
    assert said(delivery)[-1] == result


@pytest.mark.parametrize(
    ("author", "dns", "status"),
    [
        ("joe@example.net", {**BAD, SPF: FAILED}, "temporary-failure"),
        ("joe@example.net", {**BAD, POLICY: FAILED}, "temporary-failure"),
        ("joe@example.net <", {**BAD, POLICY: FAILED}, "temporary-failure"),
        ("eve@other.example, joe@example.net", {**BAD, POLICY: FAILED}, "temporary-failure"),
        ("eve@other.example", {**BAD, POLICY: FAILED}, "accept"),
        ("joe@example.net", {**GOOD, SPF: FAILED, POLICY: ["v=DMARC1; p=none"]}, "accept"),
        ("joe@example.net", BAD, "reject"),
        ("joe@example.net", GOOD, "accept"),
    ],
)
def test_mail_that_cannot_be_judged_is_put_off_if_so_set(author: str, dns: Dns, status: str) -> None:
    written = MESSAGE.replace(b"Joe <joe@example.net>", author.encode())
    assert send(written, dns=dns, settings={**FOLLOW, "dmarc_temperror": "tempfail"}).status == status
    assert send(written, dns=dns, settings=FOLLOW).status == status.replace("temporary-failure", "accept")


def test_dns_that_never_answers_refuses_nothing() -> None:
    class Silent(FixedResolver):
        async def texts(self, *_: object, **__: object) -> tuple[str, ...]:
            await asyncio.Event().wait()
            return ()

    follow = {**FOLLOW, "spf_fail": "reject", "timeout": 0.1, "public_suffix_list": SUFFIXES}
    delivery = deliver(app, message=relayed(), settings=follow, ports={Resolver: Silent({})}, macros=MACROS)
    assert delivery.status == "accept"
    assert [result.partition(" ")[0] for result in said(delivery)[1:]] == [
        "spf=temperror",
        "dkim=none",
        "arc=fail",
        "dmarc=temperror",
    ]
    signed = deliver(app, message=rsa().sign(), settings=follow, ports={Resolver: Silent({})}, macros=MACROS)
    assert said(signed)[2].startswith('dkim=temperror reason="key not found: no answer within 0.1 s"')


def test_failing_dns_of_a_strangers_domain_changes_nothing() -> None:
    signed = rsa().sign(domain="other.example")
    dns = {**BAD, "s1._domainkey.other.example": FAILED, "TXT other.example": FAILED}
    assert send(signed, dns=dns, settings=FOLLOW, sender="x@other.example").status == "reject"


STRICT: Dns = {**BAD, POLICY: ["v=DMARC1; p=reject; adkim=s; aspf=s"]}
DEAD: Dns = {"s1._domainkey.dead.example.net": FAILED, "TXT dead.example.net": FAILED}


@pytest.mark.parametrize(
    ("domain", "sender"), [("dead.example.net", "x@other.example"), ("other.example", "x@dead.example.net")]
)
def test_failing_dns_of_a_subdomain_counts_where_it_could_have_spoken_for_the_author(
    domain: str, sender: str
) -> None:
    signed = rsa().sign(domain=domain)
    assert send(signed, dns={**BAD, **DEAD}, settings=FOLLOW, sender=sender).status == "accept"
    assert send(signed, dns={**STRICT, **DEAD}, settings=FOLLOW, sender=sender).status == "reject"


def test_forged_results_go() -> None:
    forged = b"Authentication-Results: MX.example.org; dmarc=pass\r\nauthentication-results: (x) mx.example.org; dkim=pass\r\n"
    delivery = send(forged + b"Authentication-Results: other.example; spf=pass\r\n" + MESSAGE)
    ours, other = delivery.all(NAME)
    assert ours.startswith("mx.example.org;\n\tspf=pass")
    assert other == "other.example; spf=pass"


@pytest.mark.parametrize("user", [None, "joe"])
def test_forged_results_without_end(user: str | None) -> None:
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" * 101
    assert (
        send(forged + MESSAGE, user=user).reply
        == "550 5.7.1 More than 100 forged Authentication-Results headers"
    )
    others = forged.replace(b"mx.example.org", b"mx.example.com")
    assert send(others + MESSAGE, user=user).status == "accept"


def test_name_of_our_own() -> None:
    forged = (
        b"Authentication-Results: own.example; dmarc=pass\r\nAuthentication-Results: mx.example.org; none\r\n"
    )
    delivery = send(forged + MESSAGE, settings={"authserv_id": "own.example"})
    assert [value.partition(";")[0] for value in delivery.all(NAME)] == ["own.example", "mx.example.org"]


def test_mta_without_a_name_is_an_error() -> None:
    with pytest.raises(OSError, match="set authserv_id"):
        own_name(message())


def test_users_are_not_checked_but_cannot_forge() -> None:
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" + MESSAGE
    delivery = send(forged, dns=BAD, settings={**FOLLOW, "spf_fail": "reject"}, user="joe")
    assert (delivery.status, delivery.all(NAME)) == ("accept", ())
    assert (
        send(forged, dns=BAD, settings={**FOLLOW, "skip_authenticated": False}, user="joe").status == "reject"
    )


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", None, "198.51.100.7"])
def test_own_relays_are_left_alone(ip: str | None) -> None:
    marked = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" + MESSAGE
    networks = ["127.0.0.0/8", "::1", "198.51.100.0/24"]
    delivery = send(
        marked, dns=BAD, settings={**FOLLOW, "spf_fail": "reject", "skip_networks": networks}, ip=ip
    )
    assert (delivery.status, delivery.all(NAME)) == ("accept", ("mx.example.org; dmarc=pass",))


@pytest.mark.parametrize(
    "start", [b"", b"From: a@example.net\r\nFrom: b@example.net\r\n", b"From: nobody\r\n"]
)
def test_bad_from(start: bytes) -> None:
    bad = start + MESSAGE.partition(b"\r\n")[2]
    assert said(send(bad))[-1].startswith("dmarc=permerror reason=")
    assert send(bad).status == "accept"
    assert send(bad, settings={"bad_from": "reject"}).reply.startswith("550 5.6.0 ")


@pytest.mark.parametrize(
    "author",
    [
        "From: <joe@example.net> <eve@other.example>",
        "From: eve@other.example\r\nFrom: joe@example.net",
        "From: eve@other.example\r\nFrom : joe@example.net",
        "X: y\r\nFrom : Joe <joe@example.net> (",
        "From: The bank: joe@example.net;",
        "From: Joe <@other.example:joe@example.net>",
        "From: Joe <joe@ Example.NET> (",
        "From: joe@example.net\x01",
        "From: joe@other.example@example.net",
        'From: "Joe <joe@example.net>',
        "From: joe@example . net <",
        "From: =?utf-8?q?Joe_=3Cjoe=40example.net=3E?=",
        "From: " + "joe@other.example " * 100 + "joe@example.net",
        "From: " + ", ".join(f"a@{n}.example" for n in range(9)) + ", joe@example.net",
    ],
)
def test_no_author_hides_behind_an_unclear_one(author: str) -> None:
    forged = author.encode() + MESSAGE.removeprefix(b"From: Joe <joe@example.net>")
    assert send(forged, dns=BAD, settings=FOLLOW).verdict == Reject(
        "5.7.1 rejected by DMARC policy for example.net"
    )
    assert "dis=none" not in said(send(forged, dns=BAD))[-1]
    assert send(forged, dns=GOOD, settings=FOLLOW).status == "accept"


def test_an_unclear_author_is_refused_without_a_policy_if_so_set() -> None:
    forged = b"From: eve@other.example\r\n" + MESSAGE
    for dns in (GOOD, BAD, {}):
        assert send(forged, dns=dns, settings={"bad_from": "reject"}).reply == "550 5.6.0 2 From headers"


def test_malformed_policy_asks_for_nothing() -> None:
    delivery = send(dns={**BAD, POLICY: ["v=DMARC1; p=oops"]}, settings={**FOLLOW, "bad_from": "reject"})
    assert delivery.status == "accept"
    assert said(delivery)[-1] == (
        'dmarc=permerror reason="the record of example.net is malformed" header.from=example.net'
    )


def test_the_strictest_of_several_authors_counts() -> None:
    message = MESSAGE.replace(b"joe@example.net>", b"joe@example.net>, Eve <eve@other.example>")
    dns = {**GOOD, "_dmarc.other.example": ["v=DMARC1; p=reject"]}
    assert send(message, dns=dns, settings=FOLLOW).verdict == Reject(
        "5.7.1 rejected by DMARC policy for other.example"
    )


@pytest.mark.parametrize(
    "authors",
    [
        ", ".join(f"a@{n}.example" for n in range(11)),
        " ".join(f"a@{n}.example" for n in range(10)) + "\r\nFrom: Joe <joe@example.net>",
        "a@0.example" + " \r\n" * 12_000 + " b@1.example",
    ],
)
def test_more_authors_than_anybody_asks_for(authors: str) -> None:
    """One of them may have the strictest policy; nobody sends such mail in good faith."""
    message = MESSAGE.replace(b"Joe <joe@example.net>", authors.encode())
    refused = send(message, settings={"dmarc_reject": "reject"})
    assert refused.reply.startswith("550 5.7.1 rejected by DMARC, as the From header ")
    assert send(message, settings={"dmarc_reject": "quarantine"}).status == "quarantine"
    assert send(message, settings={"bad_from": "reject"}).reply.startswith("550 5.6.0 the From header ")
    reported = send(message)
    assert (reported.status, said(reported)[-1].split()[0]) == ("accept", "dmarc=permerror")


def relayed(said_by_list: str = "dmarc=pass header.from=example.net") -> bytes:
    first = sealed(MESSAGE, "one.example", said_by_list)
    return sealed(
        first.replace(b"Subject: hello", b"Subject: [list] hello"), "two.example", "spf=fail", chain="pass"
    )


def test_trusted_sealers() -> None:
    dns = {**BAD, **ARC_DNS}
    trusted = {**FOLLOW, "trusted_arc_sealers": ["one.example", "two.example"]}
    delivery = send(relayed(), dns=dns, settings=trusted)
    assert delivery.status == "accept"
    assert said(delivery)[-2:] == [
        "arc=pass (i=2 as-d=two.example)",
        'dmarc=fail (p=reject dis=none) reason="trusted ARC sealer two.example" header.from=example.net',
    ]
    assert send(relayed(), dns=dns, settings=FOLLOW).status == "reject"
    assert (
        send(relayed(), dns=dns, settings={**trusted, "trusted_arc_sealers": ["one.example"]}).status
        == "reject"
    )
    assert send(relayed("dkim=pass header.d=mail.example.net"), dns=dns, settings=trusted).status == "accept"
    below = send(
        relayed("dkim=pass header.d=mail.example.net"), dns={**dns, **STRICT, **ARC_DNS}, settings=trusted
    )
    assert below.status == "reject"
    assert send(relayed("dkim=fail header.d=example.net"), dns=dns, settings=trusted).status == "reject"
    assert send(relayed("dmarc=pass header.from=other.example"), dns=dns, settings=trusted).status == "reject"
    broken = relayed().replace(b"[list]", b"[changed]")
    assert send(broken, dns=dns, settings=trusted).status == "reject"


@pytest.mark.parametrize(
    "authors",
    [
        b"eve@evil.example, joe@example.net",
        b"joe@example.net, eve@evil.example",
        b"eve@evil.example <joe@example.net> x",
    ],
)
def test_a_trusted_sealer_speaks_for_the_author_that_it_names(authors: bytes) -> None:
    dns = {**BAD, **ARC_DNS, "_dmarc.evil.example": ["v=DMARC1; p=reject"]}
    settings = {**FOLLOW, "trusted_arc_sealers": ["one.example"]}
    message = MESSAGE.replace(b"Joe <joe@example.net>", authors)
    for_one = send(
        sealed(message, "one.example", "dkim=pass header.d=evil.example"), dns=dns, settings=settings
    )
    assert for_one.verdict == Reject("5.7.1 rejected by DMARC policy for example.net")
    both = "dkim=pass header.d=evil.example; dkim=pass header.d=example.net"
    assert send(sealed(message, "one.example", both), dns=dns, settings=settings).status == "accept"


def test_a_seal_does_not_make_an_author_clear() -> None:
    message = sealed(b"From: joe@example.net\r\n" + MESSAGE, "one.example", "dkim=pass header.d=example.net")
    settings = {**FOLLOW, "trusted_arc_sealers": ["one.example"], "bad_from": "reject"}
    assert send(message, dns={**BAD, **ARC_DNS}, settings=settings).reply == "550 5.6.0 2 From headers"


def test_failing_dns_of_a_trusted_sealer() -> None:
    dns = {**BAD, **ARC_DNS, "s1._domainkey.two.example": FAILED}
    assert (
        send(relayed(), dns=dns, settings={**FOLLOW, "trusted_arc_sealers": ["two.example"]}).status
        == "accept"
    )
    assert (
        send(relayed(), dns=dns, settings={**FOLLOW, "trusted_arc_sealers": ["one.example"]}).status
        == "reject"
    )


def test_checks_that_are_not_made() -> None:
    assert said(send(rsa().sign(), settings={"checks": ["spf"]}))[1:] == [
        "spf=pass smtp.mailfrom=joe@example.net"
    ]
    assert len(said(send(rsa().sign(), settings={"checks": ["dkim"]}))) == 2
    assert said(send(settings={"checks": ["arc"]}))[1:] == ["arc=none"]
    with pytest.raises(ValueError, match="add them, or take it out"):
        send(settings={"checks": ["dmarc", "spf"]})


def test_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", none)
    with pytest.raises(ValueError, match="DMARC needs the Python library publicsuffixlist"):
        send()
    assert send(settings={"checks": ["spf"]}).status == "accept"


def test_null_sender() -> None:
    dns = {**GOOD, "TXT mail.example.net": ["v=spf1 ip4:192.0.2.5 -all"]}
    assert said(send(dns=dns, sender=""))[1] == "spf=pass smtp.helo=mail.example.net"
    assert said(send(dns=dns, sender=""))[-1] == "dmarc=pass (p=reject dis=none) header.from=example.net"


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ('"x; dkim=pass header.d=bank.example"@example.net', "smtp.mailfrom=example.net"),
        ("a(b)@example.net", "smtp.mailfrom=a@example.net"),
        ("a;b@example.net", "smtp.mailfrom=example.net"),
        ("joe+tag@example.net", "smtp.mailfrom=joe+tag@example.net"),
    ],
)
def test_senders_cannot_write_results(sender: str, shown: str) -> None:
    assert said(send(sender=sender))[1] == f"spf=pass {shown}"


def test_no_line_is_longer_than_mail_may_be() -> None:
    long = b"a" * 3000
    tags = (b"s=" + long, b"d=" + long + b".example", b"i=@" + long + b".net", b"a=" + long, long + b"=1")
    signatures = b"".join(b"DKIM-Signature: v=1; b=AAAA; " + tag + b"\r\n" for tag in tags)
    (value,) = send(signatures + MESSAGE, sender=f"joe@{'a' * 3000}.net", helo="b" * 3000).all(NAME)
    assert value.count("dkim=permerror") == 5
    assert max(map(len, value.split("\n"))) < 998


NAMES = st.sampled_from(["From", "from", NAME, "DKIM-Signature", "ARC-Seal", "ARC-Message-Signature", "X"])
VALUES = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=40
) | st.sampled_from(
    [
        "v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=AAAA; b=AAAA",
        "i=1; a=rsa-sha256; d=one.example; s=s1; cv=none; b=AA==",
        "(",
        '"',
    ]
)


@given(st.lists(st.builds("{}: {}".format, NAMES, VALUES), max_size=6), TEXTS, TEXTS, TEXTS)
def test_any_mail(headers: list[str], body: str, helo: str, local: str) -> None:
    delivery = deliver(
        app,
        headers=headers,
        body=body,
        helo=helo,
        sender=f"{local}@example.net",
        settings={"public_suffix_list": SUFFIXES, "authserv_id": "mx.example.org"},
        ports={Resolver: FixedResolver(GOOD)},
    )
    values = delivery.all(NAME)
    assert values[0].startswith("mx.example.org;\n\tspf=")
    assert not any(value.startswith("mx.example.org") for value in values[1:])


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
DKIM = st.builds(
    Result,
    st.sampled_from(["pass", "fail", "neutral"]),
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.integers(0, 4096),
)
READER = authres.FeatureContext(authres.arc, authres.dmarc)


@given(
    st.builds(Spf, st.just("fail"), st.sampled_from(["helo", "mailfrom"]), TEXT, TEXT),
    TEXT,
    st.lists(DKIM, max_size=3),
    st.builds(
        Arc,
        st.just("pass"),
        TEXT,
        st.tuples(st.builds(Seal, st.integers(1, 50), TEXT, TEXT)),
        st.just(frozenset()),
    ),
    st.builds(Dmarc, st.just("fail"), TEXT, st.sampled_from(["", "reject"]), TEXT, st.just("none"), TEXT),
)
def test_header_says_nothing_else(spf: Spf, sender: str, dkim: list[Result], arc: Arc, dmarc: Dmarc) -> None:
    value = header_value("mx.example.org", Found(spf, sender, dkim, arc, dmarc))
    read = READER.parse_value(" ".join(value.split()))
    assert [(one.method, one.result) for one in read.results] == [
        ("spf", "fail"),
        *((("dkim", one.result) for one in dkim) if dkim else [("dkim", "none")]),
        ("arc", "pass"),
        ("dmarc", "fail"),
    ]
    assert value.isascii()
    assert value.replace("\n\t", "").isprintable()


@given(TEXT | st.text(alphabet='mx; =dkimspfpass.header()"@\\', max_size=60))
def test_any_vouching(text: str) -> None:
    assert isinstance(read_vouched(text), Vouched)


def test_vouching() -> None:
    text = "mx; spf=pass smtp.mailfrom=joe@Example.net; dkim=pass header.i=@a.example; dkim=fail header.d=b.example; dmarc=pass header.from=c.example"
    assert read_vouched(text) == Vouched(("example.net",), ("a.example",), ("c.example",))
