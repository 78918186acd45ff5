"""The port ``Resolver`` over the network: dnspython's asynchronous resolver, with answers remembered.

What a name or an answer means is not known here. Answers, also that there is none, are kept as long as DNS
says (RFC 1035 §3.2.1, RFC 2308), and never more than ``remembered`` of them for each set of servers.
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdatatype import RdataType

from postmill.api.ports import split_server

REMEMBERED = 10_000


class DnsResolver:
    """Asks the system's DNS servers, or others; one for each event loop."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Take the number of answers to remember; the system's servers are found at the first question."""
        self._remembered = remembered
        self._by_servers: dict[tuple[str, ...], dns.asyncresolver.Resolver] = {}

    async def addresses(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """See ``Resolver``."""
        answer = await self._ask(name, RdataType.A, servers, within)
        return tuple(record.address for record in answer or ())

    async def texts(self, name: str, servers: Sequence[str] = (), within: float = 5.0) -> tuple[str, ...]:
        """See ``Resolver``; the strings of one record are joined (RFC 7208 §3.3)."""
        answer = await self._ask(name, RdataType.TXT, servers, within)
        return tuple(b"".join(record.strings).decode("utf-8", "backslashreplace") for record in answer or ())

    async def records(
        self, name: str, kind: str, servers: Sequence[str] = (), within: float = 5.0
    ) -> tuple[str, ...]:
        """See ``Resolver``."""
        try:
            wanted = RdataType.from_text(kind)
        except (dns.exception.DNSException, ValueError):
            raise ValueError(f"DNS has no records of kind {kind!r}") from None
        answer = await self._ask(name, wanted, servers, within)
        return tuple(record.to_text() for record in answer or ())

    async def _ask(
        self, name: str, kind: RdataType, servers: Sequence[str], within: float
    ) -> dns.resolver.Answer | None:
        """Return the answer, None where there is no such name or record."""
        try:
            wanted = dns.name.from_text(name)
        except dns.exception.DNSException:
            return None  # no name that DNS could have: too long, an empty label
        try:
            resolver = self._resolver(tuple(servers))
            return await resolver.resolve(wanted, kind, lifetime=within, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        except dns.exception.Timeout:
            raise TimeoutError(f"no answer within {within:g} s") from None
        except dns.resolver.NoNameservers as error:
            raise OSError(_failure(error)) from None
        except (dns.exception.DNSException, ValueError) as error:  # ValueError: no address of a server
            raise OSError(str(error)) from None

    def _resolver(self, servers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
        resolver = self._by_servers.get(servers)
        if resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not servers)
            resolver.cache = dns.resolver.LRUCache(self._remembered)
            if servers:
                ports = _ports(servers)
                resolver.nameservers = list(ports)
                resolver.nameserver_ports = ports
            self._by_servers[servers] = resolver
        return resolver


def _ports(servers: Sequence[str]) -> dict[str, int]:
    """Return the port of each address; dnspython 2.3 keeps one for an address, so two are refused."""
    ports: dict[str, int] = {}
    for address, port in map(split_server, servers):
        if ports.setdefault(address, port) != port:
            raise OSError(f"the DNS server {address} is named with two ports")
    return ports


def _failure(error: dns.resolver.NoNameservers) -> str:
    """Say in a few words what the servers answered: dnspython's own text is a page."""
    words = dict.fromkeys(str(what) for *_, what, _ in error.kwargs.get("errors", ()))
    return f"the DNS server said {', '.join(words)}" if words else "no DNS server answers"
