"""What `bench.filters` compares: a built-in filter, the milters in C that do the same, a mail for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from postmill.testing.plan import Client, Mail, Recipient, SessionPlan, mail_from_bytes
from tests.filters.beside import STRANGER
from tests.filters.keys import Key, rsa
from tests.stack.box import Box
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.component import Component, MilterComponent
from tests.stack.keys import DkimKey
from tests.stack.milter_greylist import MilterGreylist
from tests.stack.opendkim import Opendkim
from tests.stack.opendmarc import Opendmarc
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import Spamd

RECIPIENTS = (Recipient(b"<a@example.org>"), Recipient(b"<b@example.org>"))
HEADERS = tuple((b"X-Header-%d" % number, b" value of this header") for number in range(11))
BODY = b"0123456789abcdef0123456789abcdef0123456789abcdef\r\n" * 160
MAIL = Mail(recipients=RECIPIENTS, headers=((b"Subject", b" a message"), *HEADERS), body=BODY)

OWN, THEIRS = "test.example", "ext.example"
"""The domain that is signed for, and the one whose mail is verified."""
ZONE = f"""\
{THEIRS} TXT "v=spf1 ip4:192.0.2.5 -all"
_dmarc.{THEIRS} TXT "v=DMARC1; p=reject"
"""


@dataclass(frozen=True)
class Pair:
    """One filter, and what does the same."""

    use: str
    settings: Mapping[str, Any]
    milters: Sequence[MilterComponent]
    plan: SessionPlan = field(default_factory=lambda: SessionPlan(mails=(MAIL,)))
    strangers: bool = False
    """Each mail has a sender of its own, and no recipient is let through."""
    scanners: Sequence[Component] = ()
    """What both of them ask."""
    messages: int = 300
    """How many messages each way it takes to tell the ways apart."""


def clamav(directory: Path, box: Box) -> Pair:
    """Before one clamd."""
    clamd = Clamd(directory, box)
    milter = ClamavMilter(directory, box, clamd)
    settings = {"file": str(milter.directory / "clamav-milter.conf")}
    return Pair("clamav", settings, [milter], scanners=[clamd])


def spamassassin(directory: Path, box: Box) -> Pair:
    """Before one spamd."""
    spamd = Spamd(directory, box)
    settings = {"spamd": [f"unix:{spamd.socket}"], "reject_score": 15}
    return Pair("spamassassin", settings, [SpamassMilter(directory, box, spamd)], scanners=[spamd])


def authentication(directory: Path, box: Box) -> Pair:
    """A stranger's mail that passes everything; OpenDKIM has the keys in a file, the filter asks DNS."""
    raw = rsa(2048).sign(_written_by(THEIRS), THEIRS, canonicalize=(b"relaxed", b"relaxed"))
    mail = mail_from_bytes(raw, sender=f"<joe@{THEIRS}>".encode(), recipients=RECIPIENTS)
    opendkim = Opendkim(directory, box, [key_of(directory, OWN), key_of(directory, THEIRS)])
    settings = {"authserv_id": "mx.test.example", "dmarc_reject": "reject", "dmarc_quarantine": "quarantine"}
    plan = SessionPlan(STRANGER, b"mail.ext.example", (mail,))
    return Pair("authentication", settings, [opendkim, Opendmarc(directory, box)], plan)


def dkim_sign(directory: Path, box: Box) -> Pair:
    """A mail of our own, signed with RSA of 2048 bits."""
    key = key_of(directory, OWN)
    mail = mail_from_bytes(_written_by(OWN), sender=f"<joe@{OWN}>".encode(), recipients=RECIPIENTS)
    settings = {"keys": {OWN: {"selector": "s1", "file": str(key.private)}}}
    plan = SessionPlan(Client(), mails=(mail,))
    return Pair("dkim-sign", settings, [Opendkim(directory, box, [key])], plan)


class QuickGreylist(MilterGreylist):
    """With a delay that the bench can wait for, and rules as milter-greylist's own example has them."""

    def prepare(self) -> None:
        """Write the configuration, which is the filter's, too."""
        super().prepare()
        (self.directory / "greylist.conf").write_text(
            f'socket "{self.socket}" 666\ndumpfile "{self.directory}/greylist.db" 600\nuser "nobody"\n'
            "subnetmatch /24\nnospf\ngreylist 1s\nautowhite 1d\nracl greylist default\n"
        )


def greylist(directory: Path, box: Box) -> Pair:
    """A mail of somebody who is known already."""
    milter = QuickGreylist(directory, box)
    plan = SessionPlan(STRANGER, b"mail.ext.example", (MAIL,))
    settings = {"file": str(milter.directory / "greylist.conf")}
    return Pair("greylist", settings, [milter], plan, messages=1500)


def greylist_strangers(directory: Path, box: Box) -> Pair:
    """Mail of people who were never seen before, and are told to come again."""
    return replace(greylist(directory, box), strangers=True)


def key_of(directory: Path, domain: str) -> DkimKey:
    """Return the one key as that of a domain."""
    file = directory / "dkim.pem"
    file.write_bytes(signing_key().private)
    file.chmod(0o600)
    return DkimKey(domain, file, signing_key().record)


def signing_key() -> Key:
    """Return the key of all domains."""
    return rsa(2048)


def zone() -> str:
    """Return what DNS knows."""
    return ZONE + DkimKey(THEIRS, Path(), signing_key().record).zone_line + "\n"


def _written_by(domain: str) -> bytes:
    own = f"From: Joe <joe@{domain}>\r\nTo: a@example.org\r\nDate: today\r\nSubject: a message\r\n"
    return own.encode() + b"".join(b"%s:%s\r\n" % header for header in HEADERS[3:]) + b"\r\n" + BODY


PAIRS: Mapping[str, Callable[[Path, Box], Pair]] = {
    "clamav": clamav,
    "spamassassin": spamassassin,
    "authentication": authentication,
    "dkim-sign": dkim_sign,
    "greylist": greylist,
    "greylist-strangers": greylist_strangers,
}
