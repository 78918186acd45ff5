"""The condition ``remote-network``: clients out of the networks that are ours are let in without being asked.

What counts as ours is a table of networks here and two lists in the configuration, looked up as a router
does. Who may relay is the MTA's business and not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from postmill.api import Applies, Apply, Client, Skip, condition, key
from postmill.api.kinds import ListOf
from postmill.api.mail_kinds import IPNetwork, Network

PRIVATE: tuple[IPNetwork, ...] = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",  # loopback, RFC 1122 §3.2.1.3
            "10.0.0.0/8",  # private use, RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",  # link-local, RFC 3927
            "::1/128",  # loopback, RFC 4291 §2.5.3
            "fc00::/7",  # unique local, RFC 4193
            "fe80::/10",  # link-local, RFC 4291 §2.5.6
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Which networks are local."""

    local: tuple[IPNetwork, ...] = key(
        ListOf(Network()), [], "Networks of your own that are local as well, such as your public addresses."
    )
    remote: tuple[IPNetwork, ...] = key(
        ListOf(Network()), [], "Networks within local ones that are remote nevertheless, such as guests."
    )


@condition("remote-network", Settings)
def remote_network(client: Client, settings: Settings) -> Applies:
    """Ask the milter only about mail from outside.

    Local are loopback and link-local addresses, the private networks of RFC 1918 and RFC 4193, and mail that
    was submitted on this host without a network. The shared addresses between providers and their customers
    (100.64.0.0/10, RFC 6598) are remote: whoever shares them with you is not you. `local` adds networks,
    `remote` takes some out; where several hold an address, the smallest decides, and between equals
    `remote`.
    """
    ip = client.ip
    if ip is None:
        return Skip("the mail was submitted on this host, without a network address")
    local = _smallest(ip, (*PRIVATE, *settings.local))
    remote = _smallest(ip, settings.remote)
    if local is None:
        return Apply(f"{ip} is in no local network")
    if remote is not None and remote.prefixlen >= local.prefixlen:
        return Apply(f"{ip} is in a network that counts as remote ({remote})")
    return Skip(f"{ip} is in a local network ({local})")


def _smallest(ip: IPv4Address | IPv6Address, networks: Iterable[IPNetwork]) -> IPNetwork | None:
    holding = (network for network in networks if ip in network)
    return max(holding, key=lambda network: network.prefixlen, default=None)
