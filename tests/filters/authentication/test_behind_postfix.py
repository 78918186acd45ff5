"""Both filters behind a real Postfix: what it makes of our edits, and that signatures survive its hands."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dkim  # type: ignore[import-untyped]
import pytest

from postmill.filters._dkim import verify
from postmill.testing.conditions import FixedResolver
from tests.filters.keys import ed25519, rsa
from tests.interop.postfix import PrivatePostfix, free_port, public_directory, smtpd
from tests.stack import peers
from tests.stack.box import Box
from tests.stack.component import MilterComponent, running
from tests.stack.dialogue import Client, Mail
from tests.stack.mailbox import Delivered, Mailbox
from tests.stack.outcome import play

pytestmark = pytest.mark.interop

STRANGER = Client("192.0.2.5", "mail.ext.example")
SUFFIXES = Path(__file__).with_name("suffixes.txt")
ZONE = """\
ext.example TXT "v=spf1 ip4:192.0.2.5 -all"
_dmarc.ext.example TXT "v=DMARC1; p=reject"
bad.example TXT "v=spf1 -all"
_dmarc.bad.example TXT "v=DMARC1; p=reject"
held.example TXT "v=spf1 -all"
_dmarc.held.example TXT "v=DMARC1; p=quarantine"
"""
CANONICALIZATIONS = ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple")


class Served(MilterComponent):
    """A filter by itself."""

    def __init__(self, directory: Path, box: Box, filter_name: str, settings: str, name: str = "") -> None:
        self.name = name or filter_name
        self.filter_name = filter_name
        self.settings = settings
        super().__init__(directory, box)

    def prepare(self) -> None:
        (self.directory / "settings.toml").write_text(self.settings)
        (self.directory / "rsa").write_bytes(rsa(2048).private)
        (self.directory / "ed25519").write_bytes(ed25519().private)
        for name in ("rsa", "ed25519"):
            (self.directory / name).chmod(0o600)

    def command(self) -> Sequence[str]:
        how = [
            "--listen",
            self.endpoint,
            "--mode",
            "0666",
            "--settings",
            str(self.directory / "settings.toml"),
        ]
        return [sys.executable, "-m", "postmill", "serve", self.filter_name, *how]


@dataclass(frozen=True)
class House:
    """A Postfix with a listener for each filter."""

    postfix: PrivatePostfix
    mailbox: Mailbox
    ports: dict[str, int]

    def send(
        self, way: str, content: bytes, sender: str = "joe@ext.example", client: Client = STRANGER
    ) -> Delivered:
        mail = Mail(sender, ("alice@test.example",), content)
        (delivered,) = play(self.postfix, self.mailbox, self.ports[way], client, [mail]).originals
        return delivered


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    peers.require()
    base = public_directory("both-filters-")
    checks = f'public_suffix_list = "{SUFFIXES}"\ndmarc_reject = "reject"\ndmarc_quarantine = "quarantine"\n'
    try:
        with Box(base / "box", ZONE) as box, Mailbox() as mailbox:
            milters = [Served(base, box, "authentication", checks)]
            for how in CANONICALIZATIONS:
                name = how.replace("/", "-")
                keys = ", ".join(
                    f'{{ selector = "{key}", file = "{base / name / key}" }}' for key in ("rsa", "ed25519")
                )
                signing = f'canonicalization = "{how}"\nkeys = {{ "test.example" = [{keys}] }}\n'
                milters.append(Served(base, box, "dkim-sign", signing, name))
            ports = {milter.name: free_port() for milter in milters}
            services = [smtpd(ports[one.name], {"smtpd_milters": one.endpoint}) for one in milters]
            relay = f"smtp:[127.0.0.1]:{mailbox.port}"
            main = {"relay_domains": "test.example", "relay_transport": relay, "default_transport": relay}
            (base / "postfix").mkdir(mode=0o755)
            with running(milters), PrivatePostfix(main, services, base=base / "postfix") as postfix:
                yield House(postfix, mailbox, ports)
    finally:
        shutil.rmtree(base)


def test_exactly_the_forged_headers_go(house: House) -> None:
    name = house.postfix.main.get("myhostname", "").encode()
    message = (
        b"Authentication-Results: other.example; spf=pass\r\n"
        b"authentication-results: " + name.upper() + b"; dkim=pass\r\n"
        b"X-Between: 1\r\n"
        b"AUTHENTICATION-RESULTS: (a\r\n (b) c)\r\n " + name + b" 1;\r\n\tdmarc=pass\r\n"
        b"Authentication-Results: third.example; none\r\n"
        b'Authentication-Results : "' + name + b'"; dmarc=pass\r\n'
        b"From: joe@ext.example\r\nSubject: x\r\n\r\nHello\r\n"
    )
    assert name
    headers = house.send("authentication", message).headers
    assert headers[0][0] == "Authentication-Results"
    values = [value.strip() for key, value in headers if key.strip().lower() == "authentication-results"]
    ours = f"{name.decode()};\n\tspf=pass smtp.mailfrom=joe@ext.example;\n\tdkim=none;\n\tarc=none;\n\t"
    assert values == [
        ours + "dmarc=pass (p=reject dis=none) header.from=ext.example",
        "other.example; spf=pass",
        "third.example; none",
    ]


def test_policies_are_followed(house: House) -> None:
    message = b"From: joe@%s.example\r\nSubject: x\r\n\r\nHello\r\n"
    port = house.ports["authentication"]
    refused = Mail("joe@bad.example", ("alice@test.example",), message % b"bad")
    outcome = play(house.postfix, house.mailbox, port, STRANGER, [refused])
    assert any("5.7.1 rejected by DMARC policy for bad.example" in reply for reply in outcome.replies)
    assert not outcome.originals
    held = Mail("joe@held.example", ("alice@test.example",), message % b"held")
    outcome = play(house.postfix, house.mailbox, port, STRANGER, [held])
    assert not outcome.originals
    (text,) = outcome.held
    assert "dmarc=fail (p=quarantine dis=quarantine) header.from=held.example" in text


@pytest.mark.parametrize(
    "head",
    [
        b"From: joe@ext.example\r\nFrom: eve@bad.example\r\n",
        b"From: joe@ext.example\r\nfrom :\r\n\teve@bad.example\r\n",
        b"X: y\r\nFrom : eve@bad.example (\r\n",
        b"From: The bank: eve@bad.example;\r\n",
    ],
)
def test_no_author_hides(head: bytes, house: House) -> None:
    mail = Mail("joe@ext.example", ("alice@test.example",), head + b"Subject: x\r\n\r\nHello\r\n")
    outcome = play(house.postfix, house.mailbox, house.ports["authentication"], STRANGER, [mail])
    assert any("5.7.1 rejected by DMARC policy for bad.example" in reply for reply in outcome.replies)
    assert not outcome.originals


MESSAGES = {
    "plain": b"From: Joe <joe@test.example>\r\nTo: a@b.example\r\nSubject: hello\r\n\r\nHello\r\n",
    "no other headers": b"From: joe@test.example\r\n\r\nHello\r\n",
    "no body": b"From: joe@test.example\r\nSubject: x\r\n\r\n",
    "folds and blanks": b"From:  Joe\r\n\t<joe@test.example>\r\nSubject:\tx  y\r\n \t z \r\nTo:a@b.example\r\n\r\n a \tb \r\n\r\n\r\n",
    "dots and 8-bit": b"From: joe@test.example\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\n.\r\n..a\r\n\xfc\xff\r\n",
    "repeated": b"From: joe@test.example\r\nTo: a@b.example\r\nTo: c@d.example\r\nCc: e@f.example\r\n\r\nHello\r\n",
    "control characters": b"From: joe@test.example\r\nSubject: \x0ba\x0c \x01 b\x0b\r\n\r\n\x0b \x0c\r\n\x01\r\n",
    "long": b"From: joe@test.example\r\nReferences: "
    + b"\r\n ".join(b"<%d@test.example>" % n for n in range(300))
    + b"\r\n\r\n"
    + b"0123456789 " * 80
    + b"\r\n",
}


@pytest.mark.parametrize("how", CANONICALIZATIONS)
@pytest.mark.parametrize("name", MESSAGES)
def test_signatures_survive(name: str, how: str, house: House) -> None:
    delivered = house.send(how.replace("/", "-"), MESSAGES[name], "joe@test.example", Client())
    keys: dict[str, list[str] | OSError] = {
        "rsa._domainkey.test.example": [rsa(2048).record],
        "ed25519._domainkey.test.example": [ed25519().record],
    }
    results = asyncio.run(verify(delivered.content, FixedResolver(keys)))
    assert [(one.selector, one.result) for one in results] == [("ed25519", "pass"), ("rsa", "pass")]
    records = {f"{key}.": answer[0].encode() for key, answer in keys.items() if isinstance(answer, list)}
    for place in (0, 1):
        assert dkim.DKIM(delivered.content).verify(place, lambda asked, timeout=5: records[asked.decode()])
