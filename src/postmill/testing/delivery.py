"""Delivering a message through a milter without sockets: what its author's tests are written with.

    assert deliver(app, to=["team@staff.example"], body="hi").verdict == Reject("5.7.1 Log in first")

The milter is run as it is behind Postfix: a fake MTA says what it wants to hear, and carries out its edits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any

from postmill.api.milter import Milter
from postmill.api.nouns import Header, Noun
from postmill.api.ports import Clock, Load, Ports, Resolver, Store
from postmill.api.reading import header_of, text_of
from postmill.api.verdicts import Reject, Tempfail, Verdict
from postmill.daemon.ports import SystemClock
from postmill.filtering import FilterSession, Served
from postmill.stores.memory import MemoryStore
from postmill.testing.conditions import FixedResolver
from postmill.testing.conversation import Conversation
from postmill.testing.message import split_message
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Dialect, Mail, Offer, SessionPlan
from postmill.testing.plan import Recipient as To
from postmill.testing.settings import settings_of
from postmill.wire.framing import FrameReader
from postmill.wire.packets import OptNeg, decode_reply, encode

Ported = Mapping[type[Any], Any]
"""Each port to what a test uses for it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message."""

    verdict: Verdict | None
    """What the milter said of it in the end; None: nothing, it went on."""
    status: str
    """``accept``, ``reject``, ``temporary-failure``, ``discard`` or ``quarantine``."""
    reply: str
    """The SMTP reply of a refusal, codes included, lines separated by CRLF; else empty."""
    refused: Mapping[str, str]
    """Recipients that were refused, to the SMTP reply."""
    sender: str
    """Envelope sender after the edits."""
    recipients: tuple[str, ...]
    """Recipients after the edits; none where the message was refused or discarded."""
    headers: tuple[Header, ...]
    """Headers after the edits, as far as it went on."""
    body: bytes = field(repr=False)
    said: tuple[tuple[type[Noun], Verdict | None], ...] = ()
    """Every answer of a handler, in order."""

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of every header of that name after the edits."""
        return tuple(header.value for header in self.headers if header.name.lower() == name.lower())


def deliver(
    milter: Milter,
    *,
    sender: str = "joe@example.net",
    to: Sequence[str] = ("jane@example.org",),
    headers: Sequence[str] = ("From: joe@example.net", "To: jane@example.org", "Subject: hello"),
    body: str | bytes = "Hello.\n",
    message: bytes | None = None,
    ip: str | None = "192.0.2.5",
    name: str = "mail.example.net",
    helo: str = "mail.example.net",
    user: str | None = None,
    like: Dialect = "postfix",
    macros: Mapping[str, Mapping[str, str]] | None = None,
    settings: Mapping[str, Any] | Any = None,
    ports: Ported | None = None,
) -> Delivery:
    """Send one message through a milter and return what became of it.

    ``message`` is a whole one, headers and body, instead of those two; ``ip=None`` submits on the mail host
    itself; ``user`` logged in. ``macros`` maps a stage's letter in the protocol (``C H M R T E``) to names
    and values. ``settings`` are written as in TOML, or are an object of the milter's class. Ports that are
    not given: the machine's clock, a DNS without names, an empty store, a mail host with this session alone.

    Raises what a handler raises, RemoteProtocolError when what it did has no place in the protocol, and for
    settings ValueError or TypeError as ``settings_of`` does.
    """
    login = {} if user is None else {"M": {"auth_type": "PLAIN", "auth_authen": user}}
    plan = SessionPlan(
        client=_client(ip, name),
        helo=helo.encode(),
        mails=(_mail(sender, to, headers, body, message),),
        like=like,
        macros=_macro_book({**login, **(macros or {})}),
    )
    own = _settings(milter, settings)
    session = FilterSession(Served(milter, own, milter.make_of(own), _ports(ports or {})))
    session.observe = True
    report = asyncio.run(_play(plan, session))
    return _delivery(report, session)


def _client(ip: str | None, name: str) -> Client:
    if ip is None:
        return Client(b"localhost", b"4", 0, b"127.0.0.1") if name == "" else Client(name.encode(), b"U")
    return Client(name.encode(), b"6" if ip_address(ip).version == 6 else b"4", 40025, ip.encode())


def _mail(
    sender: str, to: Sequence[str], headers: Sequence[str], body: str | bytes, message: bytes | None
) -> Mail:
    for name, texts in {"to": to, "headers": headers}.items():
        if isinstance(texts, str):
            raise TypeError(f"{name} is a list of texts, not {texts!r}")
    if message is None:
        data = body.encode() if isinstance(body, str) else body
        message = "".join(f"{header}\n" for header in headers).encode() + b"\n" + data
    shown, content = split_message(message)
    recipients = tuple(To(_path(address)) for address in to)
    return Mail(_path(sender), recipients=recipients, headers=shown, body=content)


def _path(address: str) -> bytes:
    return address.encode() if address.startswith("<") else f"<{address}>".encode()


def _macro_book(macros: Mapping[str, Mapping[str, str]]) -> dict[str, dict[bytes, bytes]]:
    def spelled(name: str) -> bytes:
        return name.encode() if len(name) == 1 or name.startswith("{") else f"{{{name}}}".encode()

    return {
        stage: {spelled(name): value.encode() for name, value in pairs.items()}
        for stage, pairs in macros.items()
    }


def _settings(milter: Milter, settings: Any) -> Any:
    if milter.settings is not None and isinstance(settings, milter.settings):
        return settings
    return settings_of(milter, **(settings or {}))


def empty_ports(clock: Clock, dns: Mapping[str, Any]) -> dict[type[Any], Any]:
    """Return ports of a world with this clock, these answers of DNS, an empty store, and one session."""
    return {
        Clock: clock,
        Resolver: FixedResolver(dns),
        Store: MemoryStore(lambda: clock.now().timestamp()),
        Load: Load(1, 0),
    }


def _ports(given: Ported) -> Ports:
    ports = {**empty_ports(SystemClock(), {}), **given}
    return {port: partial(_itself, value) for port, value in ports.items()}


def _itself(value: Any) -> Any:
    return value


async def _play(plan: SessionPlan, session: FilterSession) -> MailReport:
    offer = Offer()
    asked = OptNeg(offer.version, offer.actions, offer.protocol)
    (answer,) = await _exchange(session, encode(asked))
    negotiated = decode_reply(*answer)
    assert isinstance(negotiated, OptNeg)
    conversation = Conversation(plan, negotiated)
    talk = conversation.run()
    outcome = None
    while True:
        try:
            say = talk.send(outcome)
        except StopIteration:
            return conversation.report.mails[0]
        replies = await _exchange(session, say.data)
        outcome = None
        if say.reply:
            collector = conversation.collector(say.command)
            taken = [collector.take(letter, payload) for letter, payload in replies]
            outcome = taken[-1]


async def _exchange(session: FilterSession, data: bytes) -> list[tuple[int, bytes]]:
    session.receive(data)
    while (work := session.advance()) is not None:
        await work
    return FrameReader().feed(session.output())


def _delivery(report: MailReport, session: FilterSession) -> Delivery:
    went_on = report.status in ("accept", "quarantine")
    verdicts = [(noun, verdict) for noun, verdict in session.said if verdict is not None]
    if went_on:
        verdicts = [one for one in verdicts if not isinstance(one[1], Reject | Tempfail)]
    return Delivery(
        verdict=verdicts[-1][1] if verdicts else None,
        status=report.status,
        reply=text_of(report.reply),
        refused={_bare(address): text_of(reply) for address, reply in report.refused},
        sender=_bare(report.new_sender) if went_on else _bare(report.mail.sender),
        recipients=tuple(map(_bare, report.new_recipients)) if went_on else (),
        headers=tuple(header_of(name, text) for name, text in report.new_headers),
        body=report.new_body if went_on else b"",
        said=tuple(session.said),
    )


def _bare(address: bytes) -> str:
    return text_of(address).removeprefix("<").removesuffix(">")
