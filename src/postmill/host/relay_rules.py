"""What Postfix's configuration says about relaying for strangers, without asking anybody. postconf(5).

Tables (``check_client_access`` and the like) are not looked into: for those one has to try (`relaying`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from postmill.conditions.remote_network import PRIVATE
from postmill.host.postfix import Postfix, Service, split_list
from postmill.host.relaying import STRANGER

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ALWAYS = frozenset(("reject", "defer", "reject_unauth_destination", "defer_unauth_destination"))
"""Restrictions that no mail from a stranger to a stranger gets past."""
_LISTS = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_SENSIBLE = {4: (8, 16), 6: (16, 32)}
"""The prefix below which a public network is nobody's own, and the one below which it hardly is."""


def networks(value: str) -> tuple[tuple[Network, ...], bool]:
    """Return the networks in a value of ``mynetworks``, and whether that is all: tables are not read."""
    found: list[Network] = []
    whole = True
    for text in split_list(value):
        plain = text.removeprefix("!").replace("[", "").replace("]", "")
        try:
            network = ipaddress.ip_network(plain, strict=False)
        except ValueError:
            whole = False
            continue
        if not text.startswith("!"):
            found.append(network)
    return tuple(found), whole


def too_wide(network: Network) -> int:
    """Return 0 for a network that may be somebody's own, 1 for a doubtful one, 2 for half the world."""
    if any(_within(network, private) for private in PRIVATE):
        return 0
    world, doubtful = _SENSIBLE[network.version]
    return (network.prefixlen < doubtful) + (network.prefixlen < world)


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def trusts(postfix: Postfix, service: Service, address: str) -> bool:
    """Tell whether a client address is, or may be, in ``mynetworks``."""
    found, whole = networks(postfix.value("mynetworks", service))
    ip = ipaddress.ip_address(address)
    return not whole or any(ip in network for network in found)


def uses_mynetworks(postfix: Postfix, service: Service) -> bool:
    """Tell whether clients in ``mynetworks`` may relay at all."""
    return any("permit_mynetworks" in _restrictions(postfix, service, name) for name in _LISTS)


def open_by(postfix: Postfix, service: Service) -> str:
    """Return why a stranger's mail for a stranger passes both lists; "" when one of them stops it."""
    reasons = [_passes(postfix, service, name) for name in _LISTS]
    return " and ".join(reasons) if all(reasons) else ""


def _passes(postfix: Postfix, service: Service, name: str) -> str:
    found, _ = networks(postfix.value("mynetworks", service))
    stranger = ipaddress.ip_address(STRANGER)
    restrictions = _restrictions(postfix, service, name)
    for at, restriction in enumerate(restrictions):
        if restriction in _ALWAYS and (at == 0 or restrictions[at - 1] != "warn_if_reject"):
            return ""
        if restriction == "permit":
            return f"{name} permits everything"
        if restriction == "permit_mynetworks" and any(stranger in network for network in found):
            return f"{name} permits mynetworks, which holds the whole world"
    return f"{name} has no reject_unauth_destination"


def _restrictions(postfix: Postfix, service: Service, name: str) -> list[str]:
    return list(_expanded(postfix, service, split_list(postfix.value(name, service).lower()), 5))


def _expanded(postfix: Postfix, service: Service, words: list[str], depth: int) -> Iterator[str]:
    """Put the restrictions of a restriction class in its place."""
    classes = split_list(postfix.value("smtpd_restriction_classes", service).lower())
    for word in words:
        if word in classes and depth:
            inner = split_list(postfix.value(word, service).lower())
            yield from _expanded(postfix, service, inner, depth - 1)
        else:
            yield word
