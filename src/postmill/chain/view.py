"""What a session knows, as the nouns that conditions are asked about (``postmill.api``).

Nouns are made when somebody asks and kept as long as the event they come from is the last of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postmill.api.nouns import Address, Client, Envelope, Greeting, Head, Recipient, Sender
from postmill.api.nouns import Message as WholeMessage
from postmill.api.reading import client_of, header_of, macros_of, path_of, text_of
from postmill.wire.symbols import parse_pairs

if TYPE_CHECKING:
    from postmill.chain.event import Event
    from postmill.chain.message import Message
    from postmill.chain.state import State


class View:
    """The nouns of one session; each knows the event it was made of and is made anew for another one.

    The session is given with each question: to hold it would be a cycle, and so leave every session that is
    over to the collector.
    """

    __slots__ = ("_client", "_greeting", "_recipients", "_sender")

    def __init__(self) -> None:
        """Have made none yet."""
        self._client: tuple[Event | None, Client] | None = None
        self._greeting: tuple[Event | None, Client, Greeting] | None = None
        self._sender: tuple[Event | None, Greeting, Sender] | None = None
        self._recipients: dict[Event, Recipient] = {}

    def client(self, state: State) -> Client:
        """Return who connected."""
        event = state.connect
        if self._client is None or self._client[0] is not event:
            self._client = (event, self._make_client(state, event))
        return self._client[1]

    def _make_client(self, state: State, event: Event | None) -> Client:
        if event is None:
            return Client("", None)
        return client_of(event.payload, parse_pairs(event.macros), state.mta)

    def greeting(self, state: State) -> Greeting:
        """Return the last HELO; one without a name if there was none."""
        event, client = state.helo, self.client(state)
        if self._greeting is None or self._greeting[0] is not event or self._greeting[1] is not client:
            made = Greeting(
                client,
                "" if event is None else text_of(event.payload.rstrip(b"\0")),
                {} if event is None else macros_of(parse_pairs(event.macros)),
            )
            self._greeting = (event, client, made)
        return self._greeting[2]

    def sender(self, state: State) -> Sender:
        """Return the sender of the message under way."""
        message, greeting = state.message, self.greeting(state)
        event = None if message is None else message.mail
        if self._sender is None or self._sender[0] is not event or self._sender[1] is not greeting:
            address, arguments = (Address(""), ()) if event is None else path_of(event.payload)
            macros = {} if event is None else macros_of(parse_pairs(event.macros))
            self._sender = (event, greeting, Sender(greeting, address, arguments, macros))
            self._recipients.clear()
        return self._sender[2]

    def recipient(self, state: State, event: Event) -> Recipient:
        """Return the recipient of a RCPT."""
        sender = self.sender(state)
        known = self._recipients.get(event)
        if known is None:
            address, arguments = path_of(event.payload)
            macros = macros_of(parse_pairs(event.macros))
            known = self._recipients[event] = Recipient(sender, address, arguments, macros)
        return known

    def envelope(self, state: State) -> Envelope:
        """Return sender and recipients, without those that somebody refused."""
        message = state.message
        sender = self.sender(state)
        rcpts = () if message is None else message.rcpts
        data = None if message is None else message.data
        return Envelope(
            sender,
            tuple(self.recipient(state, rcpt) for rcpt in rcpts if not (rcpt.rejected or rcpt.refused)),
            {} if data is None else macros_of(parse_pairs(data.macros)),
        )

    def head(self, state: State, message: Message) -> Head:
        """Return the headers as the next child would be shown them."""
        model = message.model or message.original_model()
        return Head(self.envelope(state), tuple(header_of(name, text) for name, text in model.visible()))

    def message(self, state: State, message: Message) -> WholeMessage:
        """Return headers and body as the next child would be shown them."""
        body = message.body
        size = 0 if body is None else body.size
        return WholeMessage(
            self.head(state, message), size, lambda: b"" if body is None else b"".join(body.chunks())
        )
