"""What the brain tells whoever keeps the record: one call for each thing that happened, in order.

The brain never reads anything back from here. ``postmill.record`` folds these calls into one record for
each message; nothing else counts anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from postmill.chain.steps import Edit, Outcome, Verdict


class Observer(Protocol):
    """The notes of one session; every argument is a plain value."""

    def client(self, payload: bytes, macros: bytes | None) -> None:
        """CONNECT came: its payload, and the payload of its macros."""

    def helo(self, payload: bytes) -> None:
        """HELO came."""

    def macros(self, payload: bytes) -> None:
        """Macros of a message event came (the queue id is among them)."""

    def message(self, payload: bytes) -> None:
        """MAIL came: a message begins."""

    def recipient(self, payload: bytes, verdict: Verdict) -> None:
        """RCPT was decided."""

    def answered(self, child: str, stage: int, outcome: Outcome, evaluated: bool) -> None:
        """A child answered an event, or was lost while it was asked."""

    def condition(self, child: str, name: str, applies: bool, because: str) -> None:
        """A condition of a child was decided; ``applies``: it does not leave the child out."""

    def content(self, headers: Sequence[bytes], size: int) -> None:
        """The message is complete: payloads of its headers as they came, and bytes of its body."""

    def edited(self, child: str, edits: tuple[Edit, ...], replaced: tuple[bytes, ...]) -> None:
        """A child's edits take effect, or would if it were not only evaluated.

        ``replaced`` has the text before for each header that is changed, empty where there was none.
        """

    def decided(self, stage: int, verdict: Verdict) -> None:
        """The MTA was told a verdict other than continue, or the last one of a message."""

    def held(self, child: str, reason: bytes) -> None:
        """The message is to be quarantined."""

    def dismissed(self) -> None:
        """The message ended without a verdict at its end: ABORT, or the connection went away."""

    def closed(self) -> None:
        """The session is over."""
