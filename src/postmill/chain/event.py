"""One event of the MTA, with the macros that came before it (protocol §2, §5.4)."""

from __future__ import annotations

from postmill.chain.child import Terms
from postmill.chain.macros import is_rejected_recipient
from postmill.wire.codes import Command
from postmill.wire.framing import frame
from postmill.wire.symbols import Pairs


class Event:
    """One event of the MTA: letter, payload, and the macros that came with it."""

    __slots__ = ("_plain", "letter", "macros", "payload", "reached", "refused", "rejected")

    def __init__(self, letter: int, payload: bytes, macros: bytes | None) -> None:
        """Take the event's payload, and that of its ``D`` packet if one came."""
        self.letter = letter
        self.payload = payload
        self.macros = macros
        self._plain: bytes | None = None
        self.rejected = letter == Command.RCPT and macros is not None and is_rejected_recipient(macros)
        """A recipient that the MTA itself refuses (protocol §6.5)."""
        self.refused = False
        """A recipient that a child refused."""
        self.reached = -1
        """Position of the last child that this event was meant for."""

    def packets(self, terms: Terms, given: Pairs = ()) -> bytes:
        """Return macros and event as this child gets them; ``given`` are those its conditions hand to it."""
        if terms.macros.active or given:
            return self.macro_packet(terms, given) + frame(self.letter, self.payload)
        if self._plain is None:
            self._plain = self.macro_packet(terms) + frame(self.letter, self.payload)
        return self._plain

    def macro_packet(self, terms: Terms, given: Pairs = ()) -> bytes:
        """Return the macros alone (an event that the child does without keeps its macros, protocol §5.4)."""
        if self.macros is None:
            return terms.macros.packet(bytes((self.letter,)), given) if given else b""
        return terms.macros.packet(self.macros, given)
