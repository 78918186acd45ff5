"""What the demo has set up, as a value: for the text that describes it and for the tests of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from postmill.demo.dashboard import Dashboard
from postmill.demo.fate import Fate
from postmill.demo.maildir import Post
from postmill.demo.row import Row
from postmill.record import MessageRecord


class Front(Protocol):
    """The mail server in front of Postmill."""

    what: str
    port: int

    async def fate(self, record: MessageRecord) -> Fate:
        """Wait until it is known what became of a message that came to its final dot."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Who listens where, and under which process ids. `keep` tells that the directory stays."""

    directory: Path
    keep: bool
    sockets: Path
    config: Path
    log: Path
    post: Post
    front: Front
    postmill_pid: int
    row: Row
    dashboard: Dashboard | None = None
