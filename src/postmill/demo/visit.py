"""One SMTP client's visit: what its commands mean for the filter, and what the filter's answers mean for it.

Here belong the SMTP replies. What is said to the filter for each command is `dialogue`'s. When the filter
fails, mail is deferred with 451, as Postfix does with ``milter_default_action = tempfail`` (protocol §7.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from typing import Protocol, TypeVar

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from postmill.demo.dialogue import Dialogue
from postmill.demo.fate import Fate
from postmill.demo.maildir import Post
from postmill.errors import PostmillError
from postmill.testing.carrier import Carrier, Timeouts
from postmill.testing.conversation import Say
from postmill.testing.message import split_message
from postmill.testing.outcome import MailReport, Outcome
from postmill.testing.plan import Client, Offer
from postmill.wire.endpoint import Endpoint

HOSTNAME = "mx.example.org"
UNAVAILABLE = b"451 4.7.1 Service unavailable - try again later"
TIMEOUTS = Timeouts(connect=30, read=300, write=30, end_of_message=300)

Result = TypeVar("Result")
_log = logging.getLogger("postmill.demo")


class House(Protocol):
    """Whom the client visits."""

    milter: Endpoint
    post: Post
    port: int

    def queue_id(self) -> bytes:
        """A new queue id."""

    def settled(self, fate: Fate) -> None:
        """Take note of what became of a message."""


class Visit:
    """One client: the handler that aiosmtpd calls for each SMTP command."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._carrier: Carrier | None = None
        self._dialogue: Dialogue | None = None
        self._one_talk = asyncio.Lock()
        self._queue_id = b""
        self._helo = b""

    # the filter's side

    async def connect(self, peer: tuple[str, int]) -> bytes:
        """Connect to the filter and tell it of the client; returns a refusal or nothing."""
        address, port = peer[0].encode(), peer[1]
        own = {b"j": HOSTNAME.encode(), b"{daemon_name}": HOSTNAME.encode(), b"v": b"Postmill demo"}
        own |= {b"{daemon_port}": str(self._house.port).encode()}
        try:
            self._carrier = Carrier(self._house.milter, TIMEOUTS)
            await self._carrier.connect()
            answer = await self._carrier.negotiate(Offer())
        except PostmillError as error:
            await self._lost(error)
            return b""
        self._dialogue = Dialogue(Client(b"localhost", b"4", port, address), {"C": own}, answer)
        return await self._carry(self._dialogue.connect(), b"")

    async def _carry(self, talk: Generator[Say, Outcome | None, Result], otherwise: Result) -> Result:
        """Have it out with the filter even if the client goes meanwhile; `otherwise` when it fails."""
        if self._carrier is None or self._dialogue is None:
            return otherwise
        return await asyncio.shield(asyncio.create_task(self._carry_out(talk, otherwise)))

    async def _carry_out(self, talk: Generator[Say, Outcome | None, Result], otherwise: Result) -> Result:
        async with self._one_talk:
            if self._carrier is None or self._dialogue is None:
                return otherwise
            try:
                return await self._carrier.carry(self._dialogue, talk)
            except PostmillError as error:
                await self._lost(error)
                return otherwise

    async def _lost(self, error: PostmillError) -> None:
        _log.warning("the milter at %s failed: %s", self._house.milter, error)
        carrier, self._carrier, self._dialogue = self._carrier, None, None
        if carrier is not None:
            await carrier.drop()

    async def leave(self) -> None:
        """The client is gone."""
        if self._dialogue is not None:
            await self._carry(self._dialogue.leave(), None)
        if self._carrier is not None:
            carrier, self._carrier = self._carrier, None
            await carrier.finish()

    # the client's side; the names are aiosmtpd's

    async def handle_HELO(self, server: SMTP, session: SmtpSession, envelope: Envelope, name: str) -> str:  # noqa: N802
        """Greeted by an old client."""
        await self._hello(session, name)
        return f"250 {HOSTNAME}"

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, name: str, replies: list[str]
    ) -> list[str]:
        """Greeted; `replies` is what aiosmtpd would say."""
        await self._hello(session, name)
        return [*replies[:-1], "250 ENHANCEDSTATUSCODES"]

    async def _hello(self, session: SmtpSession, name: str) -> None:
        session.host_name = name
        self._helo = raw(name)
        if self._dialogue is not None:
            await self._carry(self._dialogue.hello(self._helo), None)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> bytes:
        """A message begins."""
        self._queue_id = self._house.queue_id()
        refusal = UNAVAILABLE
        if self._dialogue is not None:
            talk = self._dialogue.begin(_bracketed(address), _args(options), self._queue_id)
            refusal = await self._carry(talk, UNAVAILABLE)
        if not refusal:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or b"250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> bytes:
        """One more recipient."""
        refusal = UNAVAILABLE
        if self._dialogue is not None:
            talk = self._dialogue.recipient(_bracketed(address), _args(options))
            refusal = await self._carry(talk, UNAVAILABLE)
        if not refusal:
            envelope.rcpt_tos.append(address)
        return refusal or b"250 2.1.5 Ok"

    async def data(self) -> bytes:
        """DATA came; returns a refusal or nothing."""
        if self._dialogue is None:
            return UNAVAILABLE
        return await self._carry(self._dialogue.data(), UNAVAILABLE)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> bytes:  # noqa: N802
        """The message is complete."""
        return await asyncio.shield(asyncio.create_task(self._finish(envelope.original_content or b"")))

    async def _finish(self, content: bytes) -> bytes:
        report = None
        if self._dialogue is not None:
            report = await self._carry(self._dialogue.content(*split_message(content)), None)
        return UNAVAILABLE if report is None else self._stored(report)

    def _stored(self, report: MailReport) -> bytes:
        reply, file = report.reply, None
        if not reply:
            reply = b"250 2.0.0 Ok: queued as " + self._queue_id
        if report.status in ("accept", "quarantine") and report.new_recipients:
            file = self._house.post.deliver(report, self._helo, HOSTNAME)
        text = reply.decode("utf-8", "backslashreplace")
        self._house.settled(Fate(self._queue_id.decode(), text, file))
        return reply

    async def handle_RSET(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        """The client gives the message up."""
        if self._dialogue is not None:
            await self._carry(self._dialogue.reset(), None)
        return "250 2.0.0 Ok"

    async def unknown(self, line: bytes) -> bytes:
        """A command that is not known; returns what the client is told."""
        refusal = b""
        if self._dialogue is not None:
            refusal = await self._carry(self._dialogue.unknown(line), b"")
        return refusal or b"500 5.5.2 Error: command not recognized"


def raw(text: str) -> bytes:
    """The bytes that the client sent, from what aiosmtpd made of them."""
    return text.encode("utf-8", "surrogateescape")


def _bracketed(address: str) -> bytes:
    return raw(address) if address == "<>" else b"<" + raw(address) + b">"


def _args(options: list[str]) -> tuple[bytes, ...]:
    return tuple(raw(option) for option in options)
