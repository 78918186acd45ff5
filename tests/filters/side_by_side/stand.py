"""The daemons of the comparison: five milters, the five filters that take their place, one spamd, clamd and DNS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postmill.testing.message import join_message
from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Recipient, SessionPlan, mail_from_bytes
from tests.daemon.running import environment
from tests.filters.authentication.test_side_by_side import DNS, SELECTOR, SUFFIXES, SmallOpendmarc, zone
from tests.filters.beside import a_box
from tests.filters.keys import rsa
from tests.filters.side_by_side.corpus import Letter
from tests.stack.box import Box
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.component import MilterComponent, running
from tests.stack.keys import DkimKey
from tests.stack.manager import table, value
from tests.stack.milter_greylist import Known, MilterGreylist
from tests.stack.opendkim import Opendkim
from tests.stack.spamass_milter import SpamassMilter
from tests.stack.spamd import Spamd

HOST = b"mx.test.example"
RECORDS = """\
mail.ext.example A 192.0.2.5
ext.example TXT "v=spf1 ip4:192.0.2.5 -all"
_dmarc.ext.example TXT "v=DMARC1; p=quarantine"
"""
"""What there is in DNS beside the domains of the cases about authentication."""
RULES = """\
racl blacklist from foe@ext.example
racl whitelist from friend@ext.example
"""
"""What stands in greylist.conf before the usual rules."""
HALF_AN_HOUR = 1800


class Ruled(MilterGreylist):
    """milter-greylist with a few more rules."""

    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "greylist.conf"
        file.write_text(file.read_text().replace("racl ", RULES + "racl ", 1))


class StrictOpendmarc(SmallOpendmarc):
    """OpenDMARC that refuses mail without an author or with several, as our ``bad_from`` can."""

    def prepare(self) -> None:
        super().prepare()
        with (self.directory / "opendmarc.conf").open("a") as file:
            file.write("RequiredHeaders true\n")


class Ours(MilterComponent):
    """One of our filters by itself, in the box."""

    def __init__(
        self, directory: Path, box: Box, name: str, settings: Mapping[str, Any], as_: str = ""
    ) -> None:
        self.name = f"our-{as_ or name}"
        super().__init__(directory, box)
        self._filter = name
        self._settings = settings

    @property
    def store(self) -> str:
        return f"sqlite:{self.directory}/state.db"

    def prepare(self) -> None:
        lines = (f"{key} = {value(setting)}\n" for key, setting in self._settings.items())
        (self.directory / "settings.toml").write_text("".join(lines))

    def command(self) -> Sequence[str]:
        how = [
            "--listen",
            self.endpoint,
            "--settings",
            str(self.directory / "settings.toml"),
            "--store",
            self.store,
        ]
        return [sys.executable, "-m", "postmill", "serve", self._filter, *how]


class OurGreylist(Ours):
    """Our greylist filter, which begins with the other one's dump."""

    def __init__(self, directory: Path, box: Box, theirs: MilterGreylist) -> None:
        super().__init__(directory, box, "greylist", {"file": str(theirs.directory / "greylist.conf")})
        self._theirs = theirs

    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "postmill.toml"
        tables = (table("store", {"url": self.store}), "[[filter]]", 'use = "greylist"')
        file.write_text("\n".join((*tables, table("filter.settings", self._settings))))
        dump = self.directory / "dump"
        dump.write_text("".join(known.line() for known in self._theirs.known))
        command = [sys.executable, "-m", "postmill", "greylist", "import", str(dump), "--config", str(file)]
        subprocess.run(command, check=True, capture_output=True, env=environment())


@dataclass
class Stand:
    """Everything in one box, running."""

    spamass_milter: SpamassMilter
    clamav_milter: ClamavMilter
    opendkim: Opendkim
    opendmarc: StrictOpendmarc
    milter_greylist: Ruled
    spamassassin: Ours
    clamav: Ours
    dkim: Ours
    dmarc: Ours
    greylist: OurGreylist

    def assert_healthy(self) -> None:
        """Check that none of ours met a fault of its own."""
        for one in vars(self).values():
            assert "Traceback" not in one.output, one.output


def known(letters: Sequence[Letter]) -> Iterator[Known]:
    """Return what greylisting knows before it sees the letters."""
    for letter in letters:
        if letter.greylist != "new":
            for recipient in set(letter.to) - set(letter.unknown):
                yield Known("192.0.2.5", letter.sender, recipient, HALF_AN_HOUR, letter.greylist == "auto")


@contextmanager
def standing(letters: Sequence[Letter]) -> Iterator[Stand]:
    """Start all of them; inside the block all answer."""
    with a_box("side-by-side-", zone() + RECORDS) as box:
        base = box.directory.parent
        own = base / "own.pem"
        own.write_bytes(rsa(2048).private)
        names = [name for name in DNS if SELECTOR in name]
        keys = [DkimKey(name.removeprefix(f"{SELECTOR}."), own, DNS[name][0]) for name in names]
        spamd, clamd = Spamd(base, box), Clamd(base, box)
        clamav_milter = ClamavMilter(base, box, clamd)
        milter_greylist = Ruled(base, box, known(letters))
        checking = {"authserv_id": HOST.decode(), "public_suffix_list": str(SUFFIXES)}
        following = {"dmarc_reject": "reject", "dmarc_quarantine": "quarantine", "bad_from": "reject"}
        stand = Stand(
            SpamassMilter(base, box, spamd),
            clamav_milter,
            Opendkim(base, box, keys),
            StrictOpendmarc(base, box),
            milter_greylist,
            Ours(base, box, "spamassassin", {"spamd": [f"unix:{spamd.socket}"], "reject_score": 15}),
            Ours(base, box, "clamav", {"file": str(clamav_milter.directory / "clamav-milter.conf")}),
            Ours(base, box, "authentication", {**checking, "checks": ["dkim"]}, "dkim"),
            Ours(base, box, "authentication", {**checking, **following}, "dmarc"),
            OurGreylist(base, box, milter_greylist),
        )
        with running((spamd, clamd)), running(vars(stand).values()):
            yield stand


def ask(endpoint: str, letter: Letter, raw: bytes = b"") -> MailReport:
    """Send a letter, or other content in its envelope, to one milter."""
    mail = mail_from_bytes(
        raw or letter.raw,
        sender=f"<{letter.sender}>".encode(),
        recipients=tuple(Recipient(f"<{address}>".encode()) for address in letter.to),
    )
    macros = {"C": {b"j": HOST, b"{trusted_domain}": b"yes" if letter.trusted else b"no"}}
    if letter.user:
        macros["M"] = {b"{auth_type}": b"PLAIN", b"{auth_authen}": letter.user.encode()}
    family = b"6" if ":" in letter.ip else b"4"
    client = Client(letter.host.encode(), family, 40025, letter.ip.encode())
    plan = SessionPlan(client=client, helo=letter.helo.encode(), mails=(mail,), macros=macros)
    (report,) = FakeMta(endpoint, timeout=60).session(plan).mails
    return report


def ask_in_turn(first: MilterComponent, second: MilterComponent, letter: Letter) -> MailReport:
    """Send a letter through two milters; return what became of it in the end."""
    before = ask(first.endpoint, letter)
    after = ask(second.endpoint, letter, join_message(before.new_headers, before.new_body))
    after.mail = before.mail
    return after
