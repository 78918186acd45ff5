"""When the mail host is under stress, for ``stress-notify`` and ``no-stress``.

Counting sessions is the daemon's part.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Load, key
from postmill.api.kinds import Count
from postmill.api.mail_kinds import Percent


@dataclass(frozen=True, slots=True)
class Settings:
    """From which load on it is stress."""

    share: float = key(
        Percent(),
        75,
        "Stress begins at this share, in percent, of the SMTP server processes the MTA may run.",
    )
    sessions: int = key(Count(0), 0, "Stress begins at this number of sessions instead; 0: at `share`.")


def stress(load: Load, settings: Settings) -> tuple[bool, str]:
    """Tell whether there is stress, and the sentence that says why."""
    if settings.sessions:
        return _compared(load.sessions, settings.sessions, f"stress begins at {settings.sessions}")
    if load.limit <= 0:
        return False, "the MTA's process limit is not known (mta_processes), so there is no stress"
    share = f"{settings.share:g} % of the MTA's limit of {load.limit}"
    return _compared(load.sessions, load.limit * settings.share / 100, f"stress begins at {share}")


def _compared(sessions: int, threshold: float, meaning: str) -> tuple[bool, str]:
    noun = "session" if sessions == 1 else "sessions"
    return sessions >= threshold, f"{sessions} {noun}; {meaning}"
