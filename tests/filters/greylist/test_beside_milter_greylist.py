"""``greylist`` beside the real milter-greylist 4.6: one configuration, the same sessions, replies and headers.

Neither is waited for: both know from the start tuples whose time has come, one by its dump file, the other by
the same file imported into its store.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

from postmill.api import Store
from postmill.daemon.ports import SystemClock
from postmill.filters.greylist import app
from postmill.filters.greylist.dump import read_dump
from postmill.filters.greylist.keeping import imported
from postmill.filters.greylist.settings import config_of
from postmill.stores.memory import MemoryStore
from postmill.testing.delivery import deliver
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Client, Recipient, SessionPlan, mail_from_bytes
from postmill.testing.settings import settings_of
from tests.filters.beside import a_box, outcome, started
from tests.stack.milter_greylist import PEERS, Known, MilterGreylist

pytestmark = pytest.mark.interop
RAW = b"Subject: hello\r\nFrom: joe@example.net\r\n\r\nHello.\r\n"
RULES = """\
nospf
racl whitelist from friend@example.net
racl whitelist domain friendly.example
racl "named" whitelist helo /^good/
racl blacklist from foe@example.net
racl blacklist from /^<rude/ code "554" ecode "5.7.9" msg "Not %f from %i to %r"
racl continue from /^<seen/ addheader "X-Seen: %mr at %sr"
racl greylist rcpt slow@test.example delay 1h msg "Again in %Rh h"
racl whitelist rcpt open@test.example report "open to %i"
racl whitelist rcpt content@test.example
dacl blacklist header /^Subject: *SPAM/ msg "no spam"
dacl continue rcpt content@test.example addheader "X-Content: %f"
"""
CASES = [
    ("joe@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("known@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("known@example.net", "bob@test.example", "mail.ext.example", RAW),
    ("list-1=bob=x.example@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("friend@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("Friend@Example.NET", "alice@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "alice@test.example", "good.ext.example", RAW),
    ("foe@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("rude@example.net", "alice@test.example", "mail.ext.example", RAW),
    ("seen@example.net", "open@test.example", "mail.ext.example", RAW),
    ("seen@example.net", "content@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "slow@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "open@test.example", "mail.ext.example", RAW),
    ("joe@example.net", "open@test.example", "mail.ext.example", RAW.replace(b"hello", b"spam")),
    ("", "alice@test.example", "mail.ext.example", RAW),
]
KNOWN = (Known("192.0.2.9", "known@example.net", "alice@test.example"),)


class Configured(MilterGreylist):
    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "greylist.conf"
        own = [line for line in file.read_text().splitlines() if not line.startswith(("racl", "sm_macro"))]
        file.write_text("\n".join(own) + "\n" + RULES)


@pytest.fixture(scope="module")
def theirs() -> Iterator[Configured]:
    if not (PEERS / "milter-greylist/usr/sbin/milter-greylist").exists():
        pytest.skip("milter-greylist is not installed")
    with a_box("greylist-beside-") as box:
        program = Configured(box.directory.parent, box, KNOWN)
        with started(program):
            yield program


def likened(text: str) -> str:
    """Without what differs: version, host and date, and the second in which it was asked."""
    text = re.sub(r"by (milter-greylist|postmill)-\S+ \(.*", "by X", text)
    return re.sub(r"\b(00:09:5[0-9]|00:10:0[0-9]|00:10:1[0-9])\b", "TIME", text)


@pytest.mark.parametrize(("sender", "to", "helo", "raw"), CASES, ids=lambda one: str(one)[:30])
def test_the_same(theirs: Configured, sender: str, to: str, helo: str, raw: bytes) -> None:
    mail = mail_from_bytes(raw, sender=f"<{sender}>".encode(), recipients=(Recipient(f"<{to}>".encode()),))
    client = Client(b"mail.ext.example", b"4", 40025, b"192.0.2.5")
    plan = SessionPlan(
        client=client, helo=helo.encode(), mails=(mail,), macros={"C": {b"j": b"mx.test.example"}}
    )
    (report,) = FakeMta(theirs.endpoint, timeout=60).session(plan).mails
    real = outcome(report)
    refused = [reply.decode() for _, reply in report.refused]

    clock = SystemClock()
    file = theirs.directory / "greylist.conf"
    settings = settings_of(app, file=str(file))
    store = MemoryStore(lambda: clock.now().timestamp())
    dump = "".join(known.line() for known in KNOWN)
    entries = imported(read_dump(dump), config_of(settings), int(clock.now().timestamp()))

    asyncio.run(store.put_many(entries))
    ours = deliver(
        app, sender=sender, to=[to], message=raw, name="mail.ext.example", helo=helo, settings=settings,
        macros={"C": {"j": "mx.test.example"}}, ports={Store: store},
    )  # fmt: skip
    added = [(one.name, likened(one.value.strip())) for one in ours.headers if one.name.startswith("X-")]
    assert added == [(name, likened(value)) for name, value in real.added]
    assert [likened(reply) for reply in ours.refused.values()] == [likened(reply) for reply in refused]
    assert likened(ours.reply) == likened(real.reply)
    assert ours.status == real.status
