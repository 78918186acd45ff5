"""How busy the mail host is: sessions of all workers together, and what the MTA may run at most.

Workers are processes of their own, so each keeps its number in a place of a small piece of shared memory.
"""

from __future__ import annotations

import mmap
import shutil
import subprocess

from postmill.api.ports import Load

_PLACES = 4096
"""Workers at a time, those that finish their sessions after a reload included."""
_LAST = 0
"""Where it stands which place is the last that was ever taken: no need to look behind it."""
_POSTCONF_WITHIN = 5.0


class SessionCounts:
    """One number for each worker; made by the parent, written by the workers it forks."""

    def __init__(self) -> None:
        """Have no worker yet."""
        self._numbers = memoryview(mmap.mmap(-1, (_PLACES + 1) * 8)).cast("q")
        self._taken: dict[int, int] = {}

    def take_place(self) -> int:
        """Return a free place, for the worker that is about to be started."""
        place = next(place for place in range(1, _PLACES + 1) if place not in self._taken)
        self._taken[place] = 0
        self._numbers[_LAST] = max(self._numbers[_LAST], place)
        self.write(place, 0)
        return place

    def belongs_to(self, place: int, pid: int) -> None:
        """Take note whose place it is."""
        self._taken[place] = pid

    def give_back(self, pid: int) -> None:
        """A worker has ended: its sessions have, too."""
        for place in [place for place, owner in self._taken.items() if owner == pid]:
            self.write(place, 0)
            del self._taken[place]

    def write(self, place: int, sessions: int) -> None:
        """Say how many sessions there are at this place."""
        self._numbers[place] = sessions

    def total(self) -> int:
        """Return the sessions of all workers."""
        return sum(self._numbers[1 : self._numbers[_LAST] + 1])


def process_limit(configured: int) -> int:
    """Return how many SMTP server processes the MTA may run; 0: nobody knows.

    As configured, else what Postfix says: the limit of the ``smtp inet`` service in master(5), which is
    ``default_process_limit`` unless it has its own.
    """
    if configured:
        return configured
    if not shutil.which("postconf"):
        return 0
    own = _postconf("-F", "-h", "smtp/inet/process_limit")
    return _number(own if own.strip().isdigit() else _postconf("-h", "default_process_limit"))


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _postconf(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["postconf", *arguments],  # noqa: S607 - the administrator's PATH says which Postfix
            capture_output=True,
            text=True,
            check=False,
            timeout=_POSTCONF_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


class LoadMeter:
    """Gives the port ``Load``."""

    def __init__(self, counts: SessionCounts, limit: int) -> None:
        """Add up ``counts``; the MTA runs at most ``limit`` processes."""
        self._counts = counts
        self._limit = limit

    def __call__(self) -> Load:
        """Return the load at this moment."""
        return Load(self._counts.total(), self._limit)
