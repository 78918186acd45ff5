"""A milter ready to be run: with its settings, what was prepared of them, and the ports it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from postmill.api.handlers import Handler
from postmill.api.milter import Milter
from postmill.api.nouns import NOUNS, Client, Envelope, Greeting, Head, Message, Noun, Recipient, Sender
from postmill.api.ports import NO_PORTS, Ports
from postmill.filtering.threads import Threads
from postmill.wire.codes import Action, Protocol
from postmill.wire.packets import OptNeg

_VERSION = 6
_UNASKED: Mapping[type[Noun], Protocol] = {
    Client: Protocol.NR_CONN,
    Greeting: Protocol.NR_HELO,
    Sender: Protocol.NR_MAIL,
    Recipient: Protocol.NR_RCPT,
    Envelope: Protocol.NR_DATA,
}
"""Events of the envelope that nobody decides about are wanted for what they say, not answered (§4.2)."""
_NEEDLESS: Mapping[type[Noun], Protocol] = {
    Greeting: Protocol.NOHELO,
    Sender: Protocol.NOMAIL,
    Recipient: Protocol.NORCPT,
    Envelope: Protocol.NODATA,
}


@dataclass(frozen=True)
class Served:
    """One milter as it is configured; used by all its sessions."""

    milter: Milter
    settings: Any = None
    prepared: Any = None
    ports: Ports = field(default_factory=lambda: NO_PORTS, repr=False)

    @cached_property
    def threads(self) -> Threads:
        """Where handlers run that are plain functions."""
        return Threads(self.milter.name)

    def with_ports(self, ports: Ports) -> Served:
        """Return the same with what it may ask of the world."""
        return replace(self, ports=ports)

    @cached_property
    def _handlers(self) -> Mapping[type[Noun], tuple[Handler, ...]]:
        there = self.milter.handlers_with(self.settings, self.prepared)
        return {noun: tuple(one for one in there if one.noun is noun) for noun in NOUNS}

    def asked_about(self, noun: type[Noun]) -> tuple[Handler, ...]:
        """Return the handlers of a noun, in their order."""
        return self._handlers[noun]

    def arguments(self, handler: Handler, of_session: Any, of_message: Any, edits: Any) -> dict[str, Any]:
        """Return what a handler gets beside its noun."""
        milter = self.milter
        given = {
            milter.settings: self.settings,
            handler.edits: edits,
            milter.message: of_message,
            milter.session: of_session,
            milter.prepared: self.prepared,
        }
        return {
            name: given[kind] if kind in given else self.ports[kind]() for name, kind in handler.wants.items()
        }

    def answer(self, offer: OptNeg) -> OptNeg:
        """Return the answer to an MTA's offer: what the handlers need, as far as it is offered (§4.4)."""
        return OptNeg(
            min(offer.version, _VERSION), self._actions & offer.actions, self._protocol & offer.protocol
        )

    @cached_property
    def _actions(self) -> int:
        """The edits that its handlers may make (protocol §4.2); QUARANTINE where one sees whole messages."""
        actions = Action.QUARANTINE if self.asked_about(Message) else Action(0)
        for handlers in self._handlers.values():
            for handler in handlers:
                actions |= Action(0) if handler.edits is None else handler.edits.actions
        return int(actions)

    @cached_property
    def _protocol(self) -> int:
        asked = self.asked_about
        last = max((at for at, noun in enumerate(NOUNS) if asked(noun)), default=0)
        flags = Protocol.NOUNKNOWN
        for noun, flag in _UNASKED.items():
            if not any(handler.decides for handler in asked(noun)):
                # Who decides nothing about the envelope can be asked at the end as well: DATA is not needed.
                needless = NOUNS.index(noun) > last or noun is Envelope
                flags |= _NEEDLESS.get(noun, flag) if needless else flag
        if asked(Head) or asked(Message):
            flags |= Protocol.HDR_LEADSPC | Protocol.NR_HDR
            flags |= Protocol(0) if asked(Head) else Protocol.NR_EOH
        else:
            flags |= Protocol.NOHDRS | Protocol.NOEOH
        return int(flags | (Protocol.NR_BODY if asked(Message) else Protocol.NOBODY))
