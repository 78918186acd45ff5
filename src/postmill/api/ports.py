"""Ports: what a condition may ask of the world; daemon or test hands one in for a parameter of that type.

@condition("dnsbl-listed", Settings)
async def dnsbl_listed(client: Client, settings: Settings, resolver: Resolver) -> Applies: ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Resolver(Protocol):
    """DNS. An answer that there is no such name, or no such record, is an empty one."""

    async def addresses(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """Return the A records of ``name`` as text.

        ``servers`` are addresses (``127.0.0.1`` or ``127.0.0.1:5353``) to ask instead of the system's;
        ``within`` is in seconds. Raises OSError when nobody answers in time or a server fails.
        """
        ...

    async def texts(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """Return the TXT records of ``name``; otherwise like ``addresses``."""
        ...


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the present time in the local time zone, with its offset."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the mail host is at this moment."""

    sessions: int
    """Sessions of the MTA that Postmill has at this moment, all worker processes together."""
    limit: int
    """SMTP server processes that the MTA may run, 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the milters before this one said about the message so far, evaluated ones included.

    Name of the milter to the word for its verdict: ``continue``, ``accept``, ``reject``, ``tempfail``,
    ``discard``, ``quarantine``, ``shutdown``, ``skipped``, ``lost``.
    """

    of: Mapping[str, str]
    edited: Mapping[str, tuple[str, ...]]
    """Name of the milter to the names of the headers it added or changed."""
