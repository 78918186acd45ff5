"""A milter ready to be run: with its settings, what was prepared of them, and the ports it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from postmill.api.milter import Handler, Milter
from postmill.api.nouns import NOUNS, Client, Envelope, Greeting, Head, Noun, Recipient, Sender
from postmill.api.ports import NO_PORTS, Ports
from postmill.wire.codes import Protocol
from postmill.wire.packets import OptNeg

_VERSION = 6
_UNASKED: Mapping[type[Noun], Protocol] = {
    Client: Protocol.NR_CONN,
    Greeting: Protocol.NR_HELO,
    Sender: Protocol.NR_MAIL,
    Recipient: Protocol.NR_RCPT,
    Envelope: Protocol.NR_DATA,
}
"""Events of the envelope that nobody is asked about are wanted for what they say, not answered (§4.2)."""
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

    def with_ports(self, ports: Ports) -> Served:
        """Return the same with what it may ask of the world."""
        return replace(self, ports=ports)

    def arguments(self, handler: Handler, of_session: Any, of_message: Any, edits: Any) -> dict[str, Any]:
        """Return what a handler gets beside its noun."""
        milter = self.milter
        return {
            name: edits
            if kind is handler.edits
            else of_session
            if kind is milter.session
            else of_message
            if kind is milter.message
            else self._own(kind)
            for name, kind in handler.wants.items()
        }

    def _own(self, kind: type[Any]) -> Any:
        if kind is self.milter.settings:
            return self.settings
        return self.prepared if kind is self.milter.prepared else self.ports[kind]()

    def answer(self, offer: OptNeg) -> OptNeg:
        """Return the answer to an MTA's offer: what the handlers need, as far as it is offered (§4.4)."""
        return OptNeg(
            min(offer.version, _VERSION), self._actions & offer.actions, self._protocol & offer.protocol
        )

    @cached_property
    def _actions(self) -> int:
        return int(self.milter.actions)

    @cached_property
    def _protocol(self) -> int:
        milter = self.milter
        last = max((NOUNS.index(handler.noun) for handler in milter.handlers), default=0)
        flags = Protocol.NOUNKNOWN
        for noun, flag in _UNASKED.items():
            if not milter.asked_about(noun):
                flags |= _NEEDLESS.get(noun, flag) if NOUNS.index(noun) > last else flag
        if milter.sees_headers:
            flags |= Protocol.HDR_LEADSPC | Protocol.NR_HDR
            flags |= Protocol(0) if milter.asked_about(Head) else Protocol.NR_EOH
        else:
            flags |= Protocol.NOHDRS | Protocol.NOEOH
        return int(flags | (Protocol.NR_BODY if milter.sees_body else Protocol.NOBODY))
