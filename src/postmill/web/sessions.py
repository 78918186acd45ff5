"""Who is logged in: sessions on the server's side, known to a browser by a random mark.

Only the mark's hash is kept. A login always makes a new session, a logout ends it here and not only in the
browser.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

MOST = 1000
"""Sessions at a time; beyond them the one that was used least recently ends."""


@dataclass(slots=True)
class Session:
    """One login."""

    user: str
    began: float
    used: float


class Sessions:
    """All of them; times are seconds of ``now``."""

    def __init__(self, longest: float, idle: float, now: Callable[[], float]) -> None:
        self._longest = longest
        self._idle = idle
        self._now = now
        self._sessions: dict[str, Session] = {}

    def begin(self, user: str) -> str:
        """Begin a session; return its mark."""
        mark = secrets.token_urlsafe(32)
        now = self._now()
        self._sweep(now)
        self._sessions[_kept(mark)] = Session(user, now, now)
        return mark

    def find(self, mark: str, clicked: bool = True) -> Session | None:
        """Return the session of a mark, None when it has ended; ``clicked``: it was used by a person."""
        kept = _kept(mark)
        session = self._sessions.get(kept)
        now = self._now()
        if session is None or not self._is_alive(session, now):
            self._sessions.pop(kept, None)
            return None
        if clicked:
            session.used = now
        return session

    def end(self, mark: str) -> None:
        """End a session."""
        self._sessions.pop(_kept(mark), None)

    def _is_alive(self, session: Session, now: float) -> bool:
        return now - session.began < self._longest and now - session.used < self._idle

    def _sweep(self, now: float) -> None:
        alive = {kept: one for kept, one in self._sessions.items() if self._is_alive(one, now)}
        for kept in sorted(alive, key=lambda each: alive[each].used)[: max(0, len(alive) - MOST + 1)]:
            del alive[kept]
        self._sessions = alive


def _kept(mark: str) -> str:
    return hashlib.sha256(mark.encode("utf-8", "surrogatepass")).hexdigest()
