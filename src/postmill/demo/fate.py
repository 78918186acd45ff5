"""What the mail server in front of Postmill made of a message."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fate:
    """What the client was told (empty: not known), and where the message was stored (None: nowhere)."""

    queue_id: str
    reply: str
    file: Path | None
