"""The filters authentication and dkim-sign beside the real OpenDKIM and OpenDMARC: the same mail, the same results.

Where they differ on purpose the case says what theirs is, and the reason stands beside it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import authres  # type: ignore[import-untyped]
import authres.arc  # type: ignore[import-untyped]
import authres.dmarc  # type: ignore[import-untyped]
import pytest

from postmill.filters.dkim_sign import app as signer
from postmill.testing.delivery import deliver
from postmill.testing.message import split_message
from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Mail, Recipient, SessionPlan
from tests.filters.keys import MESSAGE, Key, ed25519, rsa
from tests.interop.postfix import public_directory
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import MilterComponent, running
from tests.stack.keys import DkimKey
from tests.stack.opendkim import Opendkim
from tests.stack.opendmarc import Opendmarc

pytestmark = pytest.mark.interop

IP = "192.0.2.5"
SUFFIXES = Path(__file__).with_name("suffixes.txt")
SELECTOR = "s1._domainkey"
DNS: dict[str, list[str]] = {
    "strict.example": ["v=spf1 ip4:192.0.2.5 -all"],
    "_dmarc.strict.example": ["v=DMARC1; p=reject; adkim=s; aspf=s"],
    "mail.strict.example": ["v=spf1 ip4:192.0.2.5 -all"],
    "relaxed.example": ["v=spf1 ip4:198.51.100.10 ~all"],
    "_dmarc.relaxed.example": ["v=DMARC1; p=quarantine; sp=reject"],
    "mail.relaxed.example": ["v=spf1 ip4:192.0.2.5 -all"],
    "none.example": ["v=spf1 ?all"],
    "_dmarc.none.example": ["v=DMARC1; p=none"],
    "quiet.example": ["v=spf1 -all"],
    "fails.example": ["v=spf1 -all"],
    "_dmarc.fails.example": ["v=DMARC1; p=reject"],
    "broken.example": ["v=spf1 nonsense -all"],
    "_dmarc.broken.example": ["v=DMARC1; p=oops"],
    "twice.example": ["v=spf1 -all"],
    "_dmarc.twice.example": ["v=DMARC1; p=reject", "v=DMARC1; p=reject; pct=100"],
    f"{SELECTOR}.strict.example": [rsa(2048).record],
    f"{SELECTOR}.mail.strict.example": [rsa(2048).record],
    f"{SELECTOR}.relaxed.example": [rsa().record],
    f"{SELECTOR}.mail.relaxed.example": [rsa().record],
    f"{SELECTOR}.none.example": [ed25519().record],
    f"{SELECTOR}.revoked.example": ["v=DKIM1; k=rsa; p="],
    f"{SELECTOR}.small.example": [rsa(512).record],
    f"{SELECTOR}.bad.example": ["v=DKIM1; k=rsa; p=MAA="],
    f"{SELECTOR}.sha1.example": ["v=DKIM1; h=sha1; " + rsa().record.partition("; ")[2]],
    f"{SELECTOR}.tls.example": ["v=DKIM1; s=tlsrpt; " + rsa().record.partition("; ")[2]],
}


MORE = """\
mech.example TXT "v=spf1 include:_own.mech.example -all"
_own.mech.example TXT "v=spf1 mx -all"
_own.mech.example MX 10 mx.mech.example.
mx.mech.example A 192.0.2.5
mx.mech.example AAAA 2001:db8::5
5.2.0.192.in-addr.arpa PTR mx.mech.example.
ptr.mech.example TXT "v=spf1 ptr:mech.example -all"
exists.mech.example TXT "v=spf1 exists:%{i}.list.mech.example -all"
192.0.2.5.list.mech.example A 127.0.0.2
redirect.mech.example TXT "v=spf1 redirect=mech.example"
"""
"""What SPF goes on to ask for."""


def by(domain: str) -> bytes:
    """Return the message with this author."""
    return MESSAGE.replace(b"joe@example.net", f"joe@{domain}".encode())


def signed(domain: str, key: Key | None = None, author: str = "", **how: object) -> bytes:
    return (key or rsa()).sign(by(author or domain), domain, **how)


@dataclass(frozen=True)
class Case:
    """One message; where they come to another result on purpose, theirs by method, and why."""

    name: str
    message: bytes
    sender: str
    ip: str = IP
    theirs: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


def changed(message: bytes, old: bytes, new: bytes) -> bytes:
    assert old in message
    return message.replace(old, new, 1)


STRICT = signed("strict.example", rsa(2048))
RELAXED = signed("relaxed.example")
CASES = [
    Case("everything passes", STRICT, "joe@strict.example"),
    Case("no signature", by("strict.example"), "joe@strict.example"),
    Case("wrong client", by("strict.example"), "joe@strict.example", "192.0.2.66"),
    Case("wrong client, signed", STRICT, "joe@strict.example", "192.0.2.66"),
    Case("wrong client, broken", changed(STRICT, b"Hello", b"Bye"), "joe@strict.example", "192.0.2.66"),
    Case("header changed", changed(STRICT, b"Subject: hello", b"Subject: bye"), "joe@strict.example"),
    Case(
        "strict, of a subdomain",
        signed("mail.strict.example", rsa(2048), "strict.example"),
        "x@mail.strict.example",
        theirs={"status": "accept"},
        why="strict is exact (RFC 7489 §3.1.1); theirs lets subdomains pass",
    ),
    Case(
        "subdomain's author",
        signed("strict.example", rsa(2048), "mail.strict.example"),
        "x@strict.example",
        "192.0.2.66",
    ),
    Case(
        "relaxed, of a subdomain", signed("mail.relaxed.example", None, "relaxed.example"), "x@quiet.example"
    ),
    Case("relaxed, SPF of a subdomain", by("relaxed.example"), "x@mail.relaxed.example"),
    Case("relaxed, fails", by("relaxed.example"), "x@relaxed.example"),
    Case("relaxed, fails below", by("www.relaxed.example"), "x@relaxed.example"),
    Case("softfail, signed", RELAXED, "x@relaxed.example"),
    Case("stranger's signature", signed("relaxed.example", None, "fails.example"), "x@fails.example"),
    Case("stranger's SPF", by("fails.example"), "x@strict.example"),
    Case("policy none", by("none.example"), "x@none.example"),
    Case("no policy", by("quiet.example"), "x@quiet.example"),
    Case("no SPF at all", by("quiet.example"), "x@unknown.example"),
    Case("SPF with an error", by("quiet.example"), "x@broken.example"),
    Case("policy that is none", by("broken.example"), "x@quiet.example"),
    Case(
        "two policies",
        by("twice.example"),
        "x@quiet.example",
        theirs={"dmarc": (), "status": "reject"},
        why="several are none (RFC 7489 §6.6.3); they take one",
    ),
    Case("ed25519", signed("none.example", ed25519()), "x@none.example"),
    Case("two signatures", rsa(2048).sign(RELAXED, "strict.example"), "x@relaxed.example"),
    Case(
        "one of two is broken",
        changed(rsa(2048).sign(RELAXED, "strict.example"), b" bh=", b" bh=AAAA"),
        "x@relaxed.example",
    ),
    Case("simple", signed("relaxed.example", canonicalize=(b"simple", b"simple")), "x@relaxed.example"),
    Case(
        "relaxed body",
        changed(signed("relaxed.example", canonicalize=(b"relaxed", b"relaxed")), b"Hello,  ", b"Hello, "),
        "x@relaxed.example",
    ),
    Case("part of the body", signed("relaxed.example", length=True) + b"more\r\n", "x@relaxed.example"),
    Case(
        "no key",
        signed("nokey.example"),
        "x@quiet.example",
        theirs={"dkim": (("fail", "nokey.example"),)},
        why="a key that cannot be used is permerror in RFC 8601 §2.7.1; they try it",
    ),
    Case(
        "revoked key",
        signed("revoked.example"),
        "x@quiet.example",
        theirs={"dkim": (("fail", "revoked.example"),)},
        why="a key that cannot be used is permerror in RFC 8601 §2.7.1; they try it",
    ),
    Case("small key", signed("small.example", rsa(512)), "x@quiet.example"),
    Case("malformed key", signed("bad.example"), "x@quiet.example"),
    Case(
        "key for another hash",
        signed("sha1.example"),
        "x@quiet.example",
        theirs={"dkim": (("fail", "sha1.example"),)},
        why="a key that cannot be used is permerror in RFC 8601 §2.7.1; they try it",
    ),
    Case(
        "key for another service",
        signed("tls.example"),
        "x@quiet.example",
        theirs={"dkim": (("fail", "tls.example"),)},
        why="a key that cannot be used is permerror in RFC 8601 §2.7.1; they try it",
    ),
    Case(
        "SHA-1",
        signed("relaxed.example", signature_algorithm=b"rsa-sha1"),
        "x@relaxed.example",
        theirs={
            "dkim": (("pass", "relaxed.example"),),
            "dmarc": (("pass", "relaxed.example"),),
            "status": "accept",
        },
        why="SHA-1 no longer counts (RFC 8301 §3.1)",
    ),
    Case("future", changed(RELAXED, b" t=", b" t=9"), "x@relaxed.example"),
    Case("expired", changed(RELAXED, b" t=", b" x=1700000000; t=16"), "x@relaxed.example"),
    Case(
        "no domain",
        changed(RELAXED, b" d=relaxed.example;", b""),
        "x@relaxed.example",
        theirs={"dkim": ()},
        why="they say nothing of a signature that names nobody",
    ),
    Case("another version", changed(RELAXED, b"v=1;", b"v=2;"), "x@relaxed.example"),
    Case("unknown algorithm", changed(RELAXED, b"a=rsa-sha256;", b"a=rsa-md5;"), "x@relaxed.example"),
    Case(
        "stranger's identity",
        changed(RELAXED, b"i=@relaxed.example;", b"i=@other.example;"),
        "x@relaxed.example",
    ),
    Case(
        "From twice",
        b"From: eve@strict.example\r\n" + RELAXED,
        "x@relaxed.example",
        theirs={"reply": "550 5.7.1 rejected by DMARC policy for strict.example"},
        why="whose policy would it be",
    ),
    Case(
        "null sender",
        by("strict.example"),
        "",
        theirs={"status": "accept"},
        why="strict is exact (RFC 7489 §3.1.1); theirs lets subdomains pass",
    ),
    Case("null sender, of another domain", by("mail.relaxed.example"), ""),
    Case("SPF by include and mx", by("quiet.example"), "x@mech.example"),
    Case("SPF by include and mx, wrong client", by("quiet.example"), "x@mech.example", "192.0.2.66"),
    Case("SPF by ptr", by("quiet.example"), "x@ptr.mech.example"),
    Case("SPF by exists", by("quiet.example"), "x@exists.mech.example"),
    Case("SPF by exists, wrong client", by("quiet.example"), "x@exists.mech.example", "192.0.2.66"),
    Case("SPF by redirect", by("quiet.example"), "x@redirect.mech.example"),
]


class SmallOpendmarc(Opendmarc):
    """With our small list of public suffixes: the real one has no ``example``."""

    def prepare(self) -> None:
        super().prepare()
        shutil.copy(SUFFIXES, self.directory / "suffixes")
        file = self.directory / "opendmarc.conf"
        line = f"PublicSuffixList {self.directory / 'suffixes'}"
        file.write_text(re.sub("PublicSuffixList .*", line, file.read_text()))


SETTINGS = f"""\
authserv_id = "mx.test.example"
public_suffix_list = "{SUFFIXES}"
dmarc_reject = "reject"
dmarc_quarantine = "quarantine"
bad_from = "reject"
"""


class Served(MilterComponent):
    """Our filter by itself, with the box's DNS."""

    name = "authentication"

    def prepare(self) -> None:
        (self.directory / "settings.toml").write_text(SETTINGS)

    def command(self) -> Sequence[str]:
        how = ["--listen", self.endpoint, "--settings", str(self.directory / "settings.toml")]
        return [sys.executable, "-m", "postmill", "serve", "authentication", *how]


@dataclass
class Theirs:
    """OpenDKIM, OpenDMARC and our filter in one box."""

    opendkim: Opendkim
    opendmarc: Opendmarc
    ours: Served

    def judge(self, case: Case) -> tuple[MailReport, MailReport]:
        """Return what each did; OpenDMARC gets what OpenDKIM lets through."""
        first = self.ask(self.opendkim, case, case.message)
        return first, self.ask(self.opendmarc, case, raw(first))

    def ask(self, component: MilterComponent, case: Case, message: bytes) -> MailReport:
        headers, body = split_message(message)
        mail = Mail(f"<{case.sender}>".encode(), (), (Recipient(b"<jane@example.org>"),), headers, body)
        plan = SessionPlan(
            Client(b"mail.strict.example", b"4", 40025, case.ip.encode()), b"mail.strict.example", (mail,)
        )
        return FakeMta(component.endpoint).session(plan).mails[0]


def raw(report: MailReport) -> bytes:
    """Return the message that a milter has made."""
    lines = (name + b":" + text.replace(b"\n", b"\r\n") + b"\r\n" for name, text in report.new_headers)
    return b"".join(lines) + b"\r\n" + report.new_body


def zone() -> str:
    lines = []
    for name, records in DNS.items():
        for record in records:
            pieces = (record[start : start + 250] for start in range(0, len(record), 250))
            lines.append(f"{name} TXT " + " ".join(f'"{piece}"' for piece in pieces))
    return "\n".join(lines) + "\n" + MORE


@pytest.fixture(scope="module")
def theirs() -> Iterator[Theirs]:
    peers.require()
    base = public_directory("authentication-")
    own = base / "own.pem"
    own.write_bytes(rsa(2048).private)
    names = [name for name in DNS if SELECTOR in name]
    keys = [DkimKey(name.removeprefix(f"{SELECTOR}."), own, DNS[name][0]) for name in names]
    with Box(base / "box", zone()) as box:
        theirs = Theirs(Opendkim(base, box, keys), SmallOpendmarc(base, box), Served(base, box))
        with running((theirs.opendkim, theirs.opendmarc, theirs.ours)):
            yield theirs
    shutil.rmtree(base)


READER = authres.FeatureContext(authres.arc, authres.dmarc)


Headers = Sequence[tuple[bytes, bytes]]


def results(headers: Headers, method: str) -> tuple[tuple[str, str], ...]:
    """Return the results of a method in the Authentication-Results, with the domain of each."""
    names = {"dkim": "d", "dmarc": "from"}
    found = []
    for name, text in headers:
        if name.lower() == b"authentication-results":
            header = READER.parse_value(" ".join(text.decode().split()))
            for one in header.results:
                if one.method == method:
                    domains = [prop.value for prop in one.properties if prop.name == names.get(method)]
                    found.append((one.result, domains[0] if domains else ""))
    return tuple(found)


def passes(headers: Headers) -> bool:
    """Tell whether SPF passed: OpenDMARC calls everything else ``fail``."""
    return [result for result, _ in results(headers, "spf")] == ["pass"]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_same_results(case: Case, theirs: Theirs) -> None:
    ours = theirs.ask(theirs.ours, case, case.message)
    opendkim, opendmarc = theirs.judge(case)
    assert opendmarc.status == case.theirs.get("status", ours.status)
    if ours.status == "reject":
        if opendmarc.status == "reject":
            assert opendmarc.reply.decode() == case.theirs.get("reply", ours.reply.decode())
        return
    headers = ours.new_headers
    assert results(opendkim.new_headers, "dkim") == case.theirs.get("dkim", results(headers, "dkim"))
    if opendmarc.status != "reject":
        assert results(opendmarc.new_headers, "dmarc") == case.theirs.get("dmarc", results(headers, "dmarc"))
        assert passes(opendmarc.new_headers) == passes(headers)


@pytest.mark.parametrize(
    "name",
    [
        "mx.test.example",
        "mx (x).test.example 1",
        "mx .test.(x)example",
        'mx."test"\r\n\t.example',
        "mx.te\\st\x0b.example",
        "mx \\(x .test.example",
        'mx "(x" .test.example',
        "mx) .test.example",
    ],
)
def test_a_forged_result_does_not_reach_opendmarc(name: str, theirs: Theirs) -> None:
    forged = f"Authentication-Results: {name}; dkim=pass header.d=relaxed.example\r\n".encode()
    case = Case("", forged + by("relaxed.example"), "x@relaxed.example")
    assert theirs.ask(theirs.opendmarc, case, case.message).status == "accept"
    behind_ours = raw(theirs.ask(theirs.ours, case, case.message))
    assert theirs.ask(theirs.opendmarc, case, behind_ours).status == "quarantine"


PAGE = Path(__file__).parents[3] / "docs" / "authentication.md"
VERDICTS = {"accept": "delivered", "reject": "refused", "quarantine": "held"}


def row(case: Case, theirs: Theirs) -> str:
    """Return a case's line in the page."""
    opendkim, opendmarc = theirs.judge(case)
    ours = theirs.ask(theirs.ours, case, case.message)
    here = in_words(ours, ours, case)
    there = in_words(opendkim, opendmarc, case)
    return f"| {case.name} | {here} | {'the same' if here == there else there} | {case.why} |"


def in_words(first: MailReport, second: MailReport, case: Case) -> str:
    if second.status == "reject":
        return VERDICTS[second.status]
    words = ["spf=pass"] * passes(second.new_headers)
    words += [f"dkim={result}" for result, _ in results(first.new_headers, "dkim")]
    words += [f"dmarc={result}" for result, _ in results(second.new_headers, "dmarc")]
    return f"`{' '.join(words)}`, {VERDICTS[second.status]}"


def test_the_page_shows_all_this(theirs: Theirs) -> None:
    """Its table is what comes out here; put in what this test says when it has changed."""
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][-len(CASES) :]
    assert table == [row(case, theirs) for case in CASES]


def test_every_difference_has_a_reason() -> None:
    for case in CASES:
        assert bool(case.theirs) == bool(case.why)
        assert case.theirs.keys() <= {"dkim", "dmarc", "status", "reply"}


ODD = (
    b"Subject: \x0ba\rb \x0c\r\nCc:\r\n\t \r\nCC : <a@b.example>,  \r\n\t<c@d.example>\r\nReferences: "
    + b"<x>" * 400
)


@pytest.mark.parametrize("key", [rsa(2048), ed25519()], ids=["rsa", "ed25519"])
@pytest.mark.parametrize("how", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Hello,  you \r\n\r\n\r\n",
        b"no line end",
        b"x" * 2000 + b"\r\n",
        b"\xff\x0b \x01\x0c\r\n\x80 \x0b\r\n",
        b"a \r b\r\r\nc\r\n",
    ],
)
@pytest.mark.parametrize("odd", [b"X: y", ODD], ids=["", "odd"])
def test_our_signatures_verify_there(
    key: Key, how: str, body: bytes, odd: bytes, theirs: Theirs, tmp_path: Path
) -> None:
    domain = "none.example" if key is ed25519() else "strict.example"
    file = tmp_path / "key"
    file.write_bytes(key.private)
    file.chmod(0o600)
    message = (
        by(domain).partition(b"\r\n\r\n")[0]
        + b"\r\nX-Long: "
        + b"many words " * 40
        + b"\r\n"
        + odd
        + b"\r\n\r\n"
        + body
    )
    made = deliver(
        signer,
        message=message,
        ip="127.0.0.1",
        settings={"keys": {domain: {"selector": "s1", "file": str(file)}}, "canonicalization": how},
    )
    whole = b"".join(header.raw + b"\r\n" for header in made.headers) + b"\r\n" + made.body
    report = theirs.ask(theirs.opendkim, Case("", b"", f"joe@{domain}"), whole)
    assert results(report.new_headers, "dkim") == (("pass", domain),)
    broken = theirs.ask(
        theirs.opendkim, Case("", b"", f"joe@{domain}"), whole.replace(b"Subject: hello", b"Subject: hallo")
    )
    assert results(broken.new_headers, "dkim") == (("fail", domain),)


@pytest.mark.parametrize(
    "author",
    [
        'x (5" disk) <joe@strict.example>',
        "joe@strict.example (\\) x)",
        'Joe (a \\"b\\") <joe@strict.example>',
        "Team: joe@strict.example;",
        "=?utf-8?Q?Doe,_J?= <joe@strict.example>",
        "Doe, J <joe@strict.example>",
        "Foo:Bar <joe@strict.example>",
    ],
)
def test_both_sign_for_authors_written_like_this(author: str, theirs: Theirs, tmp_path: Path) -> None:
    message = MESSAGE.replace(b"Joe <joe@example.net>", author.encode())
    report = theirs.ask(theirs.opendkim, Case("", b"", "joe@strict.example", "127.0.0.1"), message)
    file = tmp_path / "key"
    file.write_bytes(rsa(2048).private)
    file.chmod(0o600)
    keys = {"strict.example": {"selector": "s1", "file": str(file)}}
    made = deliver(signer, message=message, ip="127.0.0.1", settings={"keys": keys})
    signatures = (dict(report.new_headers)[b"DKIM-Signature"].decode(), *made.all("DKIM-Signature"))
    assert [" d=strict.example;" in one for one in signatures] == [True, True]
