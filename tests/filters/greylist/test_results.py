"""What SPF and DKIM came to, as rules ask for it and as texts show it."""

from __future__ import annotations

import re

import pytest

from postmill.filters.greylist import app
from postmill.filters.greylist.parsing import ConfigError, parse
from postmill.testing.pytest_plugin import Deliverer
from tests.filters import keys

KEY = keys.rsa()
DNS = {
    "s1._domainkey.good.example": [KEY.record],
    "s1._domainkey.revoked.example": ["v=DKIM1; k=rsa; p="],
    "s1._domainkey.odd.example": ["v=DKIM1; k=rsa; p=!!!"],
    "s1._domainkey.down.example": TimeoutError("no answer"),
}
ASKED = "nospf\nracl whitelist default\n" + "".join(
    f'dacl blacklist dkim {word} msg "{word}: %Qd"\n' for word in ("pass", "fail", "unknown", "error", "none")
)


def signed(*domains: str, message: bytes = keys.MESSAGE) -> bytes:
    """Return a message with a signature for each domain, the first at its top."""
    lines = (KEY.sign(message, domain=one)[: -len(message)] for one in domains)
    return b"".join(lines) + message


OTHER = signed("good.example")[:-5] + b"Jim\r\n"
"""Changed after it was signed."""
GARBAGE = b"DKIM-Signature: garbage\r\n"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (signed("good.example"), "pass: pass"),
        (OTHER, "fail: fail"),
        (signed("revoked.example"), "fail: fail"),
        (signed("odd.example"), "unknown: neutral"),
        (signed("nokey.example"), "error: permerror"),
        (signed("down.example"), "error: temperror"),
        (keys.MESSAGE, "none: none"),
        (GARBAGE + keys.MESSAGE, "none: none"),
        (GARBAGE + OTHER, "fail: fail"),
        (signed("nokey.example", "odd.example", "good.example"), "pass: pass"),
        (signed("nokey.example", "odd.example"), "error: permerror"),
        (signed("odd.example", "nokey.example"), "unknown: neutral"),
    ],
)
def test_the_words_of_dkim(postmill_deliver: Deliverer, message: bytes, said: str) -> None:
    postmill_deliver.dns.update(DNS)
    reply = postmill_deliver(app, message=message, settings={"rules": ASKED}).reply
    assert reply == f"551 5.7.1 {said}"


HEADERS = "".join(
    f'racl whitelist {one} addheader "A: %QA" report "%QS"\n' for one in ("spf pass", "default")
)
HOST = {"C": {"j": "mx.test.example"}}
SAID = "client-ip=192.0.2.5; envelope-from={}; helo=mail.example.net;"


@pytest.mark.parametrize(
    ("sender", "record", "authentication", "received"),
    [
        ("a@b.example", "+all", ";\n\tspf=pass smtp.mailfrom=a@b.example",
            "pass (mx.test.example: domain of b.example designates 192.0.2.5 as permitted sender) "),
        ("x=a@b.example", "~all", ";\n\tspf=softfail smtp.mailfrom=a@b.example",
            "softfail (mx.test.example: transitioning domain of b.example does not designate 192.0.2.5 as permitted sender) "),
        ("a@b.example", "nonsense", ";\n\tspf=unknown smtp.mailfrom=a@b.example", ""),
        ("", "-all", ";\n\tspf=none smtp.mailfrom=",
            "none (mx.test.example: domain of mail.example.net does not provide an SPF record) "),
    ],
)  # fmt: skip
def test_headers_about_spf(
    postmill_deliver: Deliverer, sender: str, record: str, authentication: str, received: str
) -> None:
    postmill_deliver.dns.update({"b.example": [f"v=spf1 {record}"]})
    said = postmill_deliver(app, sender=sender, settings={"rules": HEADERS}, macros=HOST)
    assert said.all("A") == (f"mx.test.example{authentication}",)
    at = sender.rpartition("=")[2] or "postmaster@mail.example.net"
    assert said.all("X-Greylist") == (received and received + SAID.format(at),)


def test_headers_about_dkim_and_about_nothing(postmill_deliver: Deliverer) -> None:
    postmill_deliver.dns.update(DNS)
    rules = 'nospf\nracl whitelist default report "%QA|%QS"\ndacl whitelist dkim pass addheader "A: %QA"\n'
    said = postmill_deliver(app, message=signed("good.example"), settings={"rules": rules}, macros=HOST)
    assert said.all("A") == ("mx.test.example;\n\tdkim=pass header.d=good.example",)
    nothing = rules.replace("dkim pass", "header /none/")
    said = postmill_deliver(app, settings={"rules": nothing}, macros=HOST)
    assert said.all("X-Greylist") == ("mx.test.example; none|",)


def test_nobody_else_folds_a_header(postmill_deliver: Deliverer) -> None:
    rules = 'nospf\nracl whitelist default addheader "A: %M{x}"\n'
    macros = {**HOST, "R": {"x": "a\r\n\tb\nB: c"}}
    assert postmill_deliver(app, settings={"rules": rules}, macros=macros).all("A") == ("a?\n\tb?B: c",)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ('racl blacklist default msg "seen by %Fx"', "1:28: %Fx"),
        ('racl whitelist default report "%Hs"', "1:31: %Hs"),
        ('racl whitelist helo "%P{domain}"', "1:21: %P{domain}"),
        ('racl whitelist log "%pv"', "1:20: %pv"),
        ('ratelimit "r" rcpt 1 / 1m key "%pr"', "1:31: %pr"),
    ],
)
def test_what_would_come_from_a_clause_that_is_not_here(rule: str, place: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"greylist.conf:{place} is not supported here")):
        parse(rule)
