"""Links kept between sessions (protocol §6.8): QUIT_NC instead of QUIT, where a child is known to honour it.

libmilter honours QUIT_NC only right after a verdict at the end of a message (or UNKNOWN) and before any
ABORT; others fall silent. So a child is tried once before its first link is kept, on a link of its own:
``C U K C`` must be answered to the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from postmill.wire.codes import Command
from postmill.wire.framing import frame

if TYPE_CHECKING:
    from postmill.net.link import ChildLink

QUIT_NC = frame(Command.QUIT_NC)


class Pool:
    """Idle links of one child: at most ``size`` of them, none idle for more than ``idle`` seconds."""

    def __init__(self, size: int, idle: float, now: Callable[[], float]) -> None:
        """Be empty."""
        self._size = size
        self._idle = idle
        self._now = now
        self._links: deque[tuple[float, ChildLink]] = deque()
        self.proven = False
        """The child was seen to honour QUIT_NC; nothing is kept before."""

    def put(self, link: ChildLink) -> bool:
        """Keep a link whose session ended right; returns False when there is no room."""
        if not self.proven or len(self._links) >= self._size:
            return False
        link.write(QUIT_NC)
        self._links.append((self._now(), link))
        return True

    def take(self) -> ChildLink | None:
        """Return the link used last that still stands, or None."""
        while self._links:
            _, link = self._links.pop()
            if link.failed is None:
                return link
        return None

    def sweep(self) -> None:
        """Close links that were idle for too long, or that their child closed."""
        oldest = self._now() - self._idle
        while self._links and (self._links[0][0] < oldest or self._links[0][1].failed is not None):
            self._links.popleft()[1].retire()

    def clear(self) -> None:
        """Close all."""
        while self._links:
            self._links.pop()[1].retire()

    def __len__(self) -> int:
        return len(self._links)
