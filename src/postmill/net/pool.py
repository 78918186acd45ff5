"""Links kept between sessions (protocol §6.8): QUIT_NC instead of QUIT, where a child is known to honour it.

A link is kept only after the end of a message or UNKNOWN, with no ABORT and nothing else after it; the chain
tells (``CloseChild.reuse``). Before the first one is kept, ``probe`` finds out what the child does.

libmilter listens to QUIT_NC only if the answer before was CONTINUE: with any other verdict it is back where
HELO leaves it. A child that does without UNKNOWN can be told one then, which brings it where it must be and
which it never notices.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from postmill.chain.steps import Lost
from postmill.chain.talks import EventTalk
from postmill.net.probe import LOCAL, UNKNOWN, ProbeTalk, passed
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import frame

if TYPE_CHECKING:
    from postmill.net.link import ChildLink

log = logging.getLogger("postmill.child")

QUIT_NC = frame(Command.QUIT_NC)
_UNTRIED, _TRYING, _PROVEN, _REFUSED = "untried", "trying", "proven", "refused"


class Pool:
    """Idle links of one child: at most ``size`` of them, none idle for more than ``idle`` seconds."""

    def __init__(self, name: str, size: int, idle: float, now: Callable[[], float]) -> None:
        """Be empty."""
        self._name = name
        self._size = size
        self._idle = idle
        self._now = now
        self._links: deque[tuple[float, ChildLink]] = deque()
        self._settling: set[ChildLink] = set()
        """Links that were told UNKNOWN and have not answered yet."""
        self._trust = _UNTRIED
        self.why = ""
        """Why no link is kept, when the child proved not to be able to do it."""

    # -- whether the child can do it ------------------------------------------------------------------

    @property
    def trust(self) -> str:
        """Whether the child can do it: untried, trying, proven, or refused."""
        return self._trust

    @property
    def wants_trial(self) -> bool:
        """Whether nobody has tried yet what this child does at QUIT_NC."""
        return self._trust == _UNTRIED

    def begin_trial(self, link: ChildLink, greeting: bytes, timeout: float) -> None:
        """Try it on a new link, with a ``greeting`` that the child went on after."""
        self._trust = _TRYING
        link.begin(ProbeTalk(greeting or LOCAL, timeout))
        link.waiter = self
        if link.outcome is not None:  # it failed at once, before anybody waited
            self.wake(link)

    def wake(self, link: ChildLink) -> None:
        """Take the outcome of the trial, or the answer to UNKNOWN before a link is kept."""
        outcome, link.outcome = link.outcome, None
        if link in self._settling:
            self._settling.discard(link)
            if isinstance(outcome, Lost) or link.last != Reply.CONTINUE or not self.put(link):
                link.retire()
            return
        if passed(outcome):
            self._trust = _PROVEN
            log.info("%s: honours QUIT_NC; its links are kept", self._name)
        elif link.trial_decisive and isinstance(outcome, Lost):
            self.distrust(outcome.text)
        else:
            self._trust = _UNTRIED

    def distrust(self, why: str) -> None:
        """Keep no link of this child any more."""
        self._trust, self.why = _REFUSED, why
        log.warning("%s: does not honour QUIT_NC, its links are not kept: %s", self._name, why)
        self.clear()

    # -- the links ------------------------------------------------------------------------------------

    def put(self, link: ChildLink) -> bool:
        """Keep a link whose session ended right; returns False when there is no room, or no trust."""
        if not self._has_room():
            return False
        link.write(QUIT_NC)
        if link.failed is not None:
            return False
        link.untested = True
        self._links.append((self._now(), link))
        return True

    def put_after_unknown(self, link: ChildLink, timeout: float) -> bool:
        """Keep a link once the child has answered an UNKNOWN; returns False when there is no room."""
        if not self._has_room():
            return False
        self._settling.add(link)
        link.begin(EventTalk(int(Command.UNKNOWN), UNKNOWN, timeout))
        link.waiter = self
        if link.outcome is not None:  # lost at once, before anybody waited
            self.wake(link)
        return True

    def _has_room(self) -> bool:
        return self._trust == _PROVEN and len(self._links) + len(self._settling) < self._size

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
        while self._settling:
            link = self._settling.pop()
            link.cancel()
            link.retire()

    def __len__(self) -> int:
        return len(self._links)
