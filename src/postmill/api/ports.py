"""Ports: what conditions and milters may ask of the world; daemon or test hands one in by its type.

@condition("dnsbl-listed", Settings)
async def dnsbl_listed(client: Client, settings: Settings, resolver: Resolver) -> Applies: ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Protocol

DNS_PORT = 53

Ports = Mapping[type[Any], Callable[[], Any]]
"""What a condition or milter may ask of the world: each port to what gives it."""
NO_PORTS: Ports = MappingProxyType({})


class Resolver(Protocol):
    """DNS. An answer that there is no such name, or no such record, is an empty one."""

    async def addresses(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """Return the A records of ``name`` as text.

        ``servers`` are addresses, as ``split_server`` reads them, to ask instead of the system's;
        ``within`` is in seconds. Raises OSError when nobody answers in time or a server fails.
        """
        ...

    async def texts(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """Return the TXT records of ``name``; otherwise like ``addresses``."""
        ...

    async def records(
        self, name: str, kind: str, servers: Sequence[str] = (), within: float = 5.0
    ) -> tuple[str, ...]:
        """Return the records of another kind as text: ``MX`` as ``10 mail.example.com.``, ``AAAA``, ``PTR`` …

        Otherwise like ``addresses``. Raises ValueError for a kind that DNS does not have.
        """
        ...


def split_server(server: str) -> tuple[str, int]:
    """Return address and port of ``127.0.0.1``, ``127.0.0.1:5353``, ``::1`` or ``[::1]:5353``.

    Raises ValueError for anything else.
    """
    if server.startswith("["):
        address, _, port = server[1:].rpartition("]")
        port = port.removeprefix(":") if port else str(DNS_PORT)
    else:
        address, colon, port = server.partition(":")
        if not colon or ":" in port:
            address, port = server, str(DNS_PORT)
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{server!r} has no port from 1 to 65535")
    return str(ip_address(address)), int(port)


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


class Store(Protocol):
    """State that outlives the process and is shared by all workers, and by all hosts if it is so configured.

    Small values under keys, each with a life time. One milter sees its own keys only. All methods raise
    OSError when the store cannot be reached or fails: what then becomes of the mail, ``on_error`` says.
    Each method is atomic. Keys are text without control characters, of at most 1,000 bytes as UTF-8.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key, None where there is none or its time is over."""
        ...

    async def put(self, key: str, value: bytes, lives: float) -> None:
        """Give a key this value for ``lives`` seconds from now, whatever it had before."""
        ...

    async def put_new(self, key: str, value: bytes, lives: float) -> bytes | None:
        """Give a key this value unless it has one: return that one, or None where this is the first."""
        ...

    async def swap(self, key: str, before: bytes | None, after: bytes | None, lives: float) -> bool:
        """Change a key from one value to another if it still has the first; tell whether it had.

        None is: no such key. So ``before=None`` makes it only if nobody did yet, ``after=None`` removes it.
        """
        ...

    async def add(self, key: str, amount: int, lives: float) -> int:
        """Add to a counter and return its sum; a new one begins at 0 and lives so long from then.

        A sum that takes more than 64 bits is an OSError, and the counter stays as it is.
        """
        ...

    async def put_many(self, entries: Mapping[str, tuple[bytes, float]]) -> None:
        """Put several, each with value and life time, all or none."""
        ...

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """Go through all keys with a prefix and their values, in no particular order; counters are left out.

        Keys that come or go meanwhile may be there or not.
        """
        ...
