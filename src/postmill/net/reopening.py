"""A conversation on a new link in place of one that was kept and has gone: the negotiation comes first."""

from __future__ import annotations

from postmill.chain.steps import Answered, Edit, Talk
from postmill.chain.talks import NegotiateTalk
from postmill.errors import RemoteProtocolError


class Reopening:
    """Says the offer again, then what ``talk`` says; its outcome is that of ``talk``."""

    def __init__(self, negotiated: NegotiateTalk, talk: Talk) -> None:
        """The child must answer as it did in ``negotiated``: the session relies on that."""
        self._negotiated = negotiated
        self._talk = talk
        self._open = False
        self.due = 1
        self.timeout = negotiated.timeout
        self.stage = negotiated.stage
        self.outcome: Answered | None = None

    def start(self) -> bytes:
        """Return the offer."""
        return self._negotiated.offer.packet

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take one packet; the first is the answer to the offer."""
        more = self._talk.receive(letter, payload) if self._open else self._negotiate(letter, payload)
        self._follow()
        return more

    def _negotiate(self, letter: int, payload: bytes) -> bytes:
        again = self._negotiated.again()
        again.receive(letter, payload)
        if again.answer != self._negotiated.answer:
            raise RemoteProtocolError("negotiates otherwise than on the link before")
        self._open = True
        self.timeout = self._talk.timeout
        return self._talk.start()

    def continued(self, count: int) -> bytes:
        """Take CONTINUE."""
        more = self._talk.continued(count) if self._open else self.receive(ord("c"), b"")
        self._follow()
        return more

    def _follow(self) -> None:
        if self._open:
            self.due, self.stage, self.outcome = self._talk.due, self._talk.stage, self._talk.outcome

    def lost_edits(self) -> tuple[Edit, ...]:
        """Return the edits that came before the child was lost."""
        return self._talk.lost_edits()
