"""Asking DNS block lists (RFC 5782) about a client, for ``dnsbl-listed`` and ``not-dnsbl-listed``.

Here is what to ask and what an answer means; sending, waiting and remembering is the resolver's part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any

from postmill.api import Client, Resolver, key, required
from postmill.api.domains import ascii_domain, is_domain
from postmill.api.kinds import Choice, Duration, ListOf, quoted
from postmill.api.mail_kinds import DnsServer

ANY_ANSWER = (IPv4Network("127.0.0.0/8"),)
"""RFC 5782 §2.1: what a list answers with. Anything else comes from a parked or captured domain."""
REFUSALS = IPv4Network("127.255.255.0/24")
"""How lists say that they will not answer: asked too often, through a public resolver, by a wrong name."""


@dataclass(frozen=True, slots=True)
class Zones:
    """Zones of lists, each with the answers that count."""

    allowed: str = (
        "a table of zones, each a list of the answers that count, as addresses or networks; an empty list "
        'for any, such as { "zen.spamhaus.org" = ["127.0.0.2", "127.0.0.4/30"], "bl.example.org" = [] }'
    )

    def parse(self, raw: Any) -> Mapping[str, tuple[IPv4Network, ...]]:
        """See ``Kind``."""
        if not isinstance(raw, dict) or not raw:
            raise ValueError
        zones = {self._zone(zone): self._answers(zone, answers) for zone, answers in raw.items()}
        if len(zones) < len(raw):
            raise ValueError("a zone is named twice")
        return zones

    @staticmethod
    def _zone(raw: str) -> str:
        zone = ascii_domain(raw)
        if not is_domain(zone):
            raise ValueError(f"{quoted(raw)} is no zone: a domain such as bl.example.org")
        return zone

    @staticmethod
    def _answers(zone: str, raw: Any) -> tuple[IPv4Network, ...]:
        try:
            if not isinstance(raw, list) or not all(isinstance(answer, str) for answer in raw):
                raise ValueError
            return tuple(map(IPv4Network, raw))
        except ValueError:
            raise ValueError(
                f"the answers of {zone} must be a list; each an IPv4 address or network "
                'such as "127.0.0.2" or "127.0.0.4/30"'
            ) from None

    def show(self, value: Mapping[str, tuple[IPv4Network, ...]]) -> str:
        """See ``Kind``."""
        shown = (
            f"{quoted(zone)} = [{', '.join(quoted(_short(one)) for one in answers)}]"
            for zone, answers in value.items()
        )
        return f"{{ {', '.join(shown)} }}"


def _short(network: IPv4Network) -> str:
    return str(network.network_address if network.prefixlen == 32 else network)


@dataclass(frozen=True, slots=True)
class Settings:
    """Which lists to ask, and how."""

    zones: Mapping[str, tuple[IPv4Network, ...]] = required(
        Zones(), "The lists to ask, each with the answers that count. None is built in: lists come and go."
    )
    servers: tuple[str, ...] = key(
        ListOf(DnsServer()), [], "DNS servers to ask instead of those of the system (/etc/resolv.conf)."
    )
    timeout: float = key(Duration(0.1, 60), "5s", "How long to wait for the answers.")
    on_failure: str = key(
        Choice(("not-listed", "listed")),
        "not-listed",
        "What a client is taken for if no list has it and one did not answer, or refused to.",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out, and the sentence that says so."""

    listed: bool
    because: str


@dataclass(frozen=True, slots=True)
class _Answer:
    listed: bool
    text: str
    failed: bool = False


async def look_up(client: Client, settings: Settings, resolver: Resolver) -> Finding:
    """Ask all zones at once; the first that lists the client ends the search."""
    ip = client.ip
    if ip is None:
        return Finding(False, "the client has no network address, so no list has it")
    tasks = [asyncio.ensure_future(_ask(ip, zone, settings, resolver)) for zone in settings.zones]
    try:
        answers = []
        for next_one in asyncio.as_completed(tasks):
            answer = await next_one
            if answer.listed:
                return Finding(True, answer.text)
            answers.append(answer)
    finally:
        for task in tasks:
            task.cancel()
    failures = [answer.text for answer in answers if answer.failed]
    if failures:
        listed = settings.on_failure == "listed"
        return Finding(
            listed, f"{ip} is taken as {settings.on_failure.replace('-', ' ')}: {', '.join(failures)}"
        )
    return Finding(False, f"{ip} is not listed in {', '.join(settings.zones)}")


async def _ask(ip: IPv4Address | IPv6Address, zone: str, settings: Settings, resolver: Resolver) -> _Answer:
    try:
        found = await resolver.addresses(question(ip, zone), settings.servers, settings.timeout)
    except OSError as error:
        return _Answer(False, f"{zone} gave no answer ({error})", failed=True)
    return judge(ip, zone, found, settings.zones[zone] or ANY_ANSWER)


def question(ip: IPv4Address | IPv6Address, zone: str) -> str:
    """Return the name to look up: bytes or nibbles in reverse order (RFC 5782 §2.1; RFC 5782 §2.4)."""
    return f"{ip.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def judge(
    ip: IPv4Address | IPv6Address, zone: str, found: Collection[str], expected: Collection[IPv4Network]
) -> _Answer:
    """Say what the answers of one zone mean."""
    answers = [address for address in map(ip_address, found) if isinstance(address, IPv4Address)]
    refusals = [str(answer) for answer in answers if answer in REFUSALS]
    if refusals:
        return _Answer(False, f"{zone} refused to answer ({refusals[0]})", failed=True)
    counted = [str(answer) for answer in answers if any(answer in network for network in expected)]
    if counted:
        return _Answer(True, f"{ip} is listed in {zone} ({', '.join(counted)})")
    return _Answer(False, f"{ip} is not listed in {zone}")
