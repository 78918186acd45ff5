"""Databases of countries, as small as can be: MaxMind's of today, and the one of yesterday (GeoIP.dat).

The former is written after the MaxMind DB File Format Specification 2.0, the latter as libGeoIP reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

Networks = Mapping[str, str]
"""Network to the code of its country."""
_NUMBERS = {"AT": 15, "AU": 16}
"""Of countries in GeoIP.dat, as far as tests use them."""
_OLD_LEAVES = 0xFFFF00


class _Tree:
    """Bits of addresses to a country; each node is two branches: a node, a country or nothing."""

    def __init__(self) -> None:
        self.nodes: list[list[int | str]] = [["", ""]]

    def add(self, bits: str, country: str) -> None:
        at = 0
        for bit in map(int, bits[:-1]):
            branch = self.nodes[at][bit]
            if not isinstance(branch, int):
                self.nodes.append(["", ""])
                self.nodes[at][bit] = branch = len(self.nodes) - 1
            at = branch
        self.nodes[at][int(bits[-1])] = country


def _bits(network: IPv4Network | IPv6Network) -> str:
    return f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]


def new(networks: Networks, version: int = 6) -> bytes:
    """Return an .mmdb file, IPv4 at ::/96 in a tree of IPv6, or IPv4 only."""
    tree = _Tree()
    for text, country in networks.items():
        network = ip_network(text)
        tree.add("0" * 96 * (version > network.version) + _bits(network), country)
    data, places = b"", {}
    for country in sorted(set(networks.values())):
        places[country] = len(data)
        data += _map({"country": _map({"iso_code": _text(country)})})
    count = len(tree.nodes)
    values = {"": count} | {one: count + 16 + place for one, place in places.items()}
    nodes = b"".join(
        (branch if isinstance(branch, int) else values[branch]).to_bytes(3, "big")
        for node in tree.nodes
        for branch in node
    )
    about = {
        "binary_format_major_version": _number(2, 5),
        "binary_format_minor_version": _number(0, 5),
        "build_epoch": bytes([4, 2]) + (1).to_bytes(4, "big"),
        "database_type": _text("Postmill-Test-Country"),
        "description": _map({}),
        "ip_version": _number(version, 5),
        "languages": bytes([0, 4]),
        "node_count": _number(count, 6),
        "record_size": _number(24, 5),
    }
    return nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _map(about)


def _text(text: str) -> bytes:
    return bytes([2 << 5 | len(text)]) + text.encode()


def _number(number: int, kind: int) -> bytes:
    return bytes([kind << 5 | 4]) + number.to_bytes(4, "big") if kind == 6 else bytes([kind << 5 | 1, number])


def _map(pairs: Mapping[str, bytes]) -> bytes:
    return bytes([7 << 5 | len(pairs)]) + b"".join(_text(key) + value for key, value in pairs.items())


def old(networks: Networks) -> bytes:
    """Return a GeoIP.dat, of the IPv4 networks."""
    tree = _Tree()
    for text, country in networks.items():
        network = ip_network(text)
        if network.version == 4:
            tree.add(_bits(network), country)
    numbers = {"": _OLD_LEAVES} | {one: _OLD_LEAVES + number for one, number in _NUMBERS.items()}
    return b"".join(
        (branch if isinstance(branch, int) else numbers[branch]).to_bytes(3, "little")
        for node in tree.nodes
        for branch in node
    )
