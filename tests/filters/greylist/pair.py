"""milter-greylist and ``greylist`` side by side: one configuration, one DNS, one dump, the same sessions."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from postmill.api import Clock, Resolver, Store
from postmill.daemon.ports import SystemClock
from postmill.filtering import FilterSession, Served
from postmill.filters.greylist import app
from postmill.filters.greylist.dump import read_dump
from postmill.filters.greylist.keeping import bring
from postmill.filters.greylist.settings import config_of
from postmill.stores.memory import MemoryStore
from postmill.testing.conditions import FixedResolver
from postmill.testing.conversation import Conversation
from postmill.testing.mta import FakeMta
from postmill.testing.outcome import SessionReport
from postmill.testing.plan import Client, Mail, Recipient, SessionPlan, mail_from_bytes
from postmill.testing.settings import settings_of
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, decode_reply, encode
from tests.filters.beside import Outcome, outcome
from tests.stack.box import Box
from tests.stack.milter_greylist import MilterGreylist

RAW = b"Subject: hello\r\nFrom: joe@example.net\r\n\r\nHello.\r\n"
CLIENT = Client(b"mail.ext.example", b"4", 40025, b"192.0.2.5")
_OWN = """\
pidfile "{directory}/milter-greylist.pid"
socket "{directory}/milter.sock" 666
dumpfile "{directory}/greylist.db" 600
dumpfreq 1
user "nobody"
verbose
"""
Seen = tuple[Outcome, tuple[str, ...]]
"""What became of a message, and the replies to the recipients that were refused."""


class Theirs(MilterGreylist):
    """milter-greylist with rules of a test."""

    def __init__(self, directory: Path, box: Box, name: str, rules: str, dump: str) -> None:
        super().__init__(directory, box, name=name)
        self.rules, self.dump = rules, dump

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "greylist.conf").write_text(_OWN.format(directory=self.directory) + self.rules)
        (self.directory / "greylist.db").write_text(self.dump)


class Ours:
    """The filter with the same file, over a store, an empty one if none is given, with the dump in it."""

    def __init__(self, rules: str, zone: str = "", dump: str = "", store: MemoryStore | None = None) -> None:
        # Lines count as in the file of the other one.
        settings = settings_of(app, rules=_OWN.format(directory="/nowhere") + rules)
        self.store = store = store or MemoryStore()
        asyncio.run(bring(store, read_dump(dump).entries, config_of(settings), int(time.time())))
        ports = {Store: store, Clock: SystemClock(), Resolver: FixedResolver(_answers(zone))}
        given = {port: lambda value=value: value for port, value in ports.items()}
        self._served = Served(app, settings, app.make_of(settings), given)

    def session(self, plan: SessionPlan) -> SessionReport:
        return asyncio.run(_play(plan, FilterSession(self._served)))


async def _play(plan: SessionPlan, session: FilterSession) -> SessionReport:
    offer = plan.offer
    opening = encode(OptNeg(offer.version, offer.actions, offer.protocol))
    answer = decode_reply(*(await _exchange(session, opening))[0])
    assert isinstance(answer, OptNeg)
    conversation = Conversation(plan, answer)
    talk = conversation.run()
    heard = None
    while True:
        try:
            say = talk.send(heard)
        except StopIteration:
            return conversation.report
        replies = await _exchange(session, say.data)
        collector = conversation.collector(say.command) if say.reply else None
        heard = [collector.take(*reply) for reply in replies][-1] if collector else None


async def _exchange(session: FilterSession, data: bytes) -> list[tuple[int, bytes]]:
    session.receive(data)
    while (work := session.advance()) is not None:
        await work
    return FrameReader().feed(session.output())


def _answers(zone: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in zone.splitlines():
        name, kind, value = line.split(None, 2)
        found.setdefault(f"{kind} {name}", []).append(value.strip('"') if kind == "TXT" else value)
    return found


def likened(text: str) -> str:
    """Without what differs: program, version and date, and the second in which it was asked."""
    text = re.sub(r"(milter-greylist|postmill)-\S+ (\(\S* \S+\)); .*", r"X \2", text)
    return re.sub(r"\b([0-9]{2}):([0-9]{2}):([0-9]{2})\b", _nearest_minute, text)


def _nearest_minute(time: re.Match[str]) -> str:
    """Delays are whole minutes, and the two are asked seconds apart: only rounding says the same of both."""
    hours, minutes, seconds = map(int, time.groups())
    minutes += seconds >= 30
    return f"{hours + minutes // 60:02}:{minutes % 60:02}"


def seen(report: SessionReport) -> list[Seen]:
    """Return what became of each message of a session, as far as it can be compared."""
    found = []
    for mail in report.mails:
        one = outcome(mail)
        added = tuple((name, likened(value)) for name, value in one.added)
        refused = tuple(likened(reply.decode()) for _, reply in mail.refused)
        found.append((Outcome(one.status, likened(one.reply), added), refused))
    return found


def both(theirs: Theirs, ours: Ours, plan: SessionPlan) -> tuple[list[Seen], list[Seen]]:
    """Play a session with each."""
    return seen(FakeMta(theirs.endpoint, timeout=60).session(plan)), seen(ours.session(plan))


def mail(sender: str = "joe@example.net", *to: str, raw: bytes = RAW) -> Mail:
    """Return a message; without recipients to Alice."""
    recipients = tuple(Recipient(f"<{one}>".encode()) for one in to or ("alice@test.example",))
    return mail_from_bytes(raw, sender=f"<{sender}>".encode(), recipients=recipients)


def session(
    *mails: Mail,
    client: Client = CLIENT,
    helo: str = "mail.ext.example",
    macros: dict[str, dict[bytes, bytes]] | None = None,
) -> SessionPlan:
    """Return a session; ``macros`` are further ones."""
    own = {"C": {b"j": b"mx.test.example"}} | (macros or {})
    return SessionPlan(client=client, helo=helo.encode(), mails=mails or (mail(),), macros=own)


def address(text: str, name: str = "mail.ext.example") -> Client:
    """Return a client with this address."""
    family = b"6" if ":" in text else b"4"
    return Client(name.encode(), family, 40025, text.encode())
