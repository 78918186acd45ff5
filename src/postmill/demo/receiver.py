"""The embedded SMTP receiver: aiosmtpd towards the client, the fake MTA's conversation towards the filter.

Here belong the SMTP replies and what is stored where. What is said to the filter for each command is
`dialogue`'s. When the filter fails, mail is deferred with 451, as Postfix does with
``milter_default_action = tempfail`` (protocol §7.1).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from postmill.demo.dialogue import Dialogue
from postmill.demo.fate import Fate
from postmill.demo.maildir import Post
from postmill.errors import PostmillError, UnavailableError
from postmill.record import MessageRecord
from postmill.testing.carrier import Carrier, Timeouts
from postmill.testing.conversation import Say
from postmill.testing.message import split_message
from postmill.testing.outcome import MailReport, Outcome
from postmill.testing.plan import Client, Offer
from postmill.wire.endpoint import Endpoint

HOSTNAME = "mx.example.org"
UNAVAILABLE = b"451 4.7.1 Service unavailable - try again later"
SIZE_LIMIT = 10_240_000
"""Bytes of the largest message that is taken, as in Postfix."""

TIMEOUTS = Timeouts(connect=30, read=300, write=30, end_of_message=300)

Result = TypeVar("Result")
_log = logging.getLogger("postmill.demo")


class Receiver:
    """Listens on 127.0.0.1, asks the filter at `milter`, delivers to `post`. An async context manager.

    `port` 0 takes a free one; UnavailableError when it is taken.
    """

    what = "an embedded SMTP receiver (aiosmtpd)"

    def __init__(self, milter: Endpoint, post: Post, port: int) -> None:
        self.milter = milter
        self.post = post
        self.port = port
        self._fates: dict[str, asyncio.Future[Fate]] = {}
        self._ids = itertools.count(int(time.time() * 1000) & 0xFFFFFFFF)
        self._visits: set[asyncio.Task[None]] = set()
        self._servers: set[_Server] = set()
        self._listener: asyncio.Server | None = None

    def queue_id(self) -> bytes:
        """A new queue id."""
        return b"%09X" % next(self._ids)

    async def fate(self, record: MessageRecord) -> Fate:
        """Wait until a message that came to its final dot is dealt with."""
        return await self._fate(record.queue_id)

    def settled(self, fate: Fate) -> None:
        """A message came to its final dot and was dealt with."""
        self._fate(fate.queue_id).set_result(fate)

    def _fate(self, queue_id: str) -> asyncio.Future[Fate]:
        return self._fates.setdefault(queue_id, asyncio.get_running_loop().create_future())

    def leaving(self, visit: _Visit) -> None:
        """See a client's conversation with the filter to its end."""
        task = asyncio.get_running_loop().create_task(visit.leave())
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    def _serve(self) -> SMTP:
        return _Server(_Visit(self))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._serve, "127.0.0.1", self.port)
        except OSError as error:
            raise UnavailableError(f"cannot listen on 127.0.0.1:{self.port}: {error.strerror}") from error
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for server in list(self._servers):
            server.hang_up()
        while self._servers or self._visits:  # noqa: ASYNC110 - two sets that empty themselves
            await asyncio.sleep(0.005)

    def opened(self, server: _Server) -> None:
        """A client is here."""
        self._servers.add(server)

    def closed(self, server: _Server) -> None:
        """A client is gone."""
        self._servers.discard(server)


class _Visit:
    """One client: the handler that aiosmtpd calls for each SMTP command."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._carrier: Carrier | None = None
        self._dialogue: Dialogue | None = None
        self._queue_id = b""
        self._helo = b""

    # the filter's side

    async def connect(self, peer: tuple[str, int]) -> bytes:
        """Connect to the filter and tell it of the client; returns a refusal or nothing."""
        address, port = peer[0].encode(), peer[1]
        own = {b"j": HOSTNAME.encode(), b"{daemon_name}": HOSTNAME.encode(), b"v": b"Postmill demo"}
        own |= {b"{daemon_port}": str(self.receiver.port).encode()}
        try:
            self._carrier = Carrier(self.receiver.milter, TIMEOUTS)
            await self._carrier.connect()
            answer = await self._carrier.negotiate(Offer())
        except PostmillError as error:
            await self._lost(error)
            return b""
        self._dialogue = Dialogue(Client(b"localhost", b"4", port, address), {"C": own}, answer)
        return await self._carry(self._dialogue.connect(), b"")

    async def _carry(self, talk: Generator[Say, Outcome | None, Result], otherwise: Result) -> Result:
        """Have it out with the filter; `otherwise` when that fails, now or earlier."""
        if self._carrier is None or self._dialogue is None:
            return otherwise
        try:
            return await self._carrier.carry(self._dialogue, talk)
        except PostmillError as error:
            await self._lost(error)
            return otherwise

    async def _lost(self, error: PostmillError) -> None:
        _log.warning("the milter at %s failed: %s", self.receiver.milter, error)
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
        await self._hello(session, name)
        return f"250 {HOSTNAME}"

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, name: str, replies: list[str]
    ) -> list[str]:
        await self._hello(session, name)
        return [*replies[:-1], "250 ENHANCEDSTATUSCODES"]

    async def _hello(self, session: SmtpSession, name: str) -> None:
        session.host_name = name
        self._helo = _raw(name)
        if self._dialogue is not None:
            await self._carry(self._dialogue.hello(self._helo), None)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> bytes:
        self._queue_id = self.receiver.queue_id()
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
        headers, body = split_message(envelope.original_content or b"")
        report = None
        if self._dialogue is not None:
            report = await self._carry(self._dialogue.content(headers, body), None)
        reply = UNAVAILABLE if report is None else self._stored(report)
        return reply

    def _stored(self, report: MailReport) -> bytes:
        reply, file = report.reply, None
        if not reply:
            reply = b"250 2.0.0 Ok: queued as " + self._queue_id
        if report.status in ("accept", "quarantine") and report.new_recipients:
            file = self.receiver.post.deliver(report, self._helo, HOSTNAME)
        text = reply.decode("utf-8", "backslashreplace")
        self.receiver.settled(Fate(self._queue_id.decode(), text, file))
        return reply

    async def handle_RSET(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        if self._dialogue is not None:
            await self._carry(self._dialogue.reset(), None)
        return "250 2.0.0 Ok"

    async def unknown(self, line: bytes) -> bytes:
        """A command that is not known; returns what the client is told."""
        refusal = b""
        if self._dialogue is not None:
            refusal = await self._carry(self._dialogue.unknown(line), b"")
        return refusal or b"500 5.5.2 Error: command not recognized"


class _Server(SMTP):
    """aiosmtpd's protocol, with the moments at which a milter is asked but aiosmtpd has no hook."""

    def __init__(self, visit: _Visit) -> None:
        super().__init__(
            visit,
            hostname=HOSTNAME,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            ident="ESMTP Postmill demo",
        )
        self._visit = visit
        self._banner = b""
        known = self._smtp_methods
        self._smtp_methods = _Methods(known, self._unknown)

    async def _handle_client(self) -> None:
        self._visit.receiver.opened(self)
        try:
            assert self.session is not None
            peer: Any = self.session.peer
            self._banner = await self._visit.connect(peer)
            if self._banner.startswith(b"5"):
                self._banner = b"554" + self._banner[3:].replace(b"\n" + self._banner[:3], b"\n554")
            elif not self._banner.startswith(b"421"):
                self._banner = b""  # the refusal is shown at MAIL (protocol §6.2)
            await super()._handle_client()
        finally:
            self._visit.receiver.closed(self)
            self._visit.receiver.leaving(self._visit)

    async def push(self, status: Any) -> None:
        """Send a reply; a filter's refusal of the connection takes the place of the greeting, 421 ends it."""
        if self._banner:
            status, self._banner = self._banner, b""
        await super().push(status)
        if status[:3] in ("421", b"421"):
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection to the client."""
        if self.transport is not None:
            self.transport.close()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Ask the filter before the client is told to go ahead."""
        if self.envelope is not None and self.envelope.rcpt_tos and not arg:
            refusal = await self._visit.data()
            if refusal:
                await self.push(refusal)
                return
        await super().smtp_DATA(arg)

    async def _unknown(self, command: str, arg: str | None) -> None:
        await self.push(await self._visit.unknown(_raw(f"{command} {arg or ''}".rstrip())))


class _Methods(dict[str, Any]):
    """The commands that aiosmtpd knows, and one answer to all others."""

    def __init__(self, known: dict[str, Any], unknown: Callable[[str, str | None], Any]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, command: str, default: Any = None) -> Any:
        """What carries out a command."""
        method = super().get(command, default)
        return method if method is not None else lambda arg: self._unknown(command, arg)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _bracketed(address: str) -> bytes:
    return _raw(address) if address == "<>" else b"<" + _raw(address) + b">"


def _args(options: list[str]) -> tuple[bytes, ...]:
    return tuple(_raw(option) for option in options)
