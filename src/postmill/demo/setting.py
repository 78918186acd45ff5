"""What the demo has set up, as a value: for the text that describes it and for the tests of it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from postmill.demo.maildir import Post
from postmill.demo.receiver import Fate


class Front(Protocol):
    """The mail server in front of Postmill."""

    what: str
    port: int

    def fate(self, queue_id: str) -> Awaitable[Fate]:
        """What becomes of the message with this queue id, once that is known."""


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
    port: int
    postmill_pid: int
    filter_pids: dict[str, int]
