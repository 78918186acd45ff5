"""What a session knows, as the nouns that conditions are asked about (``postmill.api``).

Nouns are made when somebody asks and kept as long as the event they come from is the last of its kind.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from postmill.api.nouns import Address, Client, Envelope, Greeting, Head, Header, IPAddress, Recipient, Sender
from postmill.api.nouns import Message as WholeMessage
from postmill.chain.macros import bare, parse_pairs
from postmill.errors import RemoteProtocolError
from postmill.mail.headers import shown
from postmill.wire.codes import Command
from postmill.wire.commands import Connect
from postmill.wire.packets import decode_command

if TYPE_CHECKING:
    from postmill.chain.event import Event
    from postmill.chain.message import Message
    from postmill.chain.state import State


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _macros(payload: bytes | None) -> Mapping[str, str]:
    return (
        {} if payload is None else {_text(bare(name)): _text(value) for name, value in parse_pairs(payload)}
    )


def _address(text: bytes) -> IPAddress | None:
    """Read the address of CONNECT; an IPv4 address in IPv6 clothes is one of IPv4 (RFC 4291 §2.5.5.2)."""
    word = _text(text)
    word = word[5:] if word[:5].lower() == "ipv6:" else word
    try:
        found = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


class View:
    """The nouns of one session; each knows the event it was made of and is made anew for another one."""

    __slots__ = ("_client", "_greeting", "_recipients", "_sender", "_state")

    def __init__(self, state: State) -> None:
        """Look at this session."""
        self._state = state
        self._client: tuple[Event | None, Client] | None = None
        self._greeting: tuple[Event | None, Client, Greeting] | None = None
        self._sender: tuple[Event | None, Greeting, Sender] | None = None
        self._recipients: dict[Event, Recipient] = {}

    def client(self) -> Client:
        """Return who connected."""
        event = self._state.connect
        if self._client is None or self._client[0] is not event:
            self._client = (event, self._make_client(event))
        return self._client[1]

    def _make_client(self, event: Event | None) -> Client:
        if event is None:
            return Client("", None)
        macros = _macros(event.macros)
        try:
            connect = decode_command(Command.CONNECT, event.payload)
        except RemoteProtocolError:  # passed on as it came; the children judge it
            return Client(_text(event.payload.partition(b"\0")[0]), None, 0, self._state.mta, macros)
        assert isinstance(connect, Connect)
        ip = _address(connect.address) if connect.family in (b"4", b"6") else None
        return Client(_text(connect.host), ip, connect.port, self._state.mta, macros)

    def greeting(self) -> Greeting:
        """Return the last HELO; one without a name if there was none."""
        event, client = self._state.helo, self.client()
        if self._greeting is None or self._greeting[0] is not event or self._greeting[1] is not client:
            made = Greeting(
                client,
                "" if event is None else _text(event.payload.rstrip(b"\0")),
                {} if event is None else _macros(event.macros),
            )
            self._greeting = (event, client, made)
        return self._greeting[2]

    def sender(self) -> Sender:
        """Return the sender of the message under way."""
        message, greeting = self._state.message, self.greeting()
        event = None if message is None else message.mail
        if self._sender is None or self._sender[0] is not event or self._sender[1] is not greeting:
            address, arguments = _envelope_command(event)
            macros = {} if event is None else _macros(event.macros)
            self._sender = (event, greeting, Sender(greeting, address, arguments, macros))
            self._recipients.clear()
        return self._sender[2]

    def recipient(self, event: Event) -> Recipient:
        """Return the recipient of a RCPT."""
        sender = self.sender()
        known = self._recipients.get(event)
        if known is None:
            address, arguments = _envelope_command(event)
            known = self._recipients[event] = Recipient(sender, address, arguments, _macros(event.macros))
        return known

    def envelope(self) -> Envelope:
        """Return sender and recipients, without those that somebody refused."""
        message = self._state.message
        sender = self.sender()
        rcpts = () if message is None else message.rcpts
        data = None if message is None else message.data
        return Envelope(
            sender,
            tuple(self.recipient(rcpt) for rcpt in rcpts if not (rcpt.rejected or rcpt.refused)),
            {} if data is None else _macros(data.macros),
        )

    def head(self, message: Message) -> Head:
        """Return the headers as the next child would be shown them."""
        model = message.model or message.original_model()
        headers = tuple(Header(_text(name), _text(shown(text, False))) for name, text in model.visible())
        return Head(self.envelope(), headers)

    def message(self, message: Message) -> WholeMessage:
        """Return headers and body as the next child would be shown them."""
        body = message.body
        size = 0 if body is None else body.size
        return WholeMessage(
            self.head(message), size, lambda: b"" if body is None else b"".join(body.chunks())
        )


def _envelope_command(event: Event | None) -> tuple[Address, tuple[str, ...]]:
    """Return address and ESMTP arguments of MAIL or RCPT."""
    if event is None:
        return Address(""), ()
    path, *arguments = event.payload.split(b"\0")[:-1] or [event.payload]
    return Address.parse(_text(path)), tuple(map(_text, arguments))
