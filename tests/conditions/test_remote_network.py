"""``remote-network``: what is local, what is remote, and the sentence that says why."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip
from postmill.conditions.remote_network import remote_network
from postmill.testing.conditions import decide
from postmill.testing.nouns import client

SETTINGS: list[dict[str, Any]] = [
    {},
    {"local": ["198.51.100.0/24", "2001:db8:1::/48"], "remote": ["198.51.100.128/25", "10.9.0.0/16"]},
]
OWN = SETTINGS[1]


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.9.9.9", "127.0.0.0/8"),
        ("10.0.0.0", "10.0.0.0/8"),
        ("10.255.255.255", "10.0.0.0/8"),
        ("172.16.0.1", "172.16.0.0/12"),
        ("172.31.255.255", "172.16.0.0/12"),
        ("192.168.0.5", "192.168.0.0/16"),
        ("169.254.1.1", "169.254.0.0/16"),
        ("::1", "::1/128"),
        ("fc00::1", "fc00::/7"),
        ("fdff::1", "fc00::/7"),
        ("fe80::1", "fe80::/10"),
    ],
)
def test_local_networks(ip: str, network: str) -> None:
    assert decide(remote_network, client(ip)) == Skip(f"{ip} is in a local network ({network})")


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "128.0.0.1",
        ),
        *("100.64.0.1", "0.0.0.0", "192.0.2.5", "198.51.100.7", "255.255.255.255"),
        *("::", "::2", "2001:db8::1", "fe00::1", "fec0::1", "ff02::1", "64:ff9b::a00:1"),
    ],
)
def test_remote_networks(ip: str) -> None:
    assert decide(remote_network, client(ip)) == Apply(f"{ip} is in no local network")


def test_a_submission_on_the_host_is_local() -> None:
    assert decide(remote_network, client(None)) == Skip(
        "the mail was submitted on this host, without a network address"
    )


@pytest.mark.parametrize(
    ("ip", "answer"),
    [
        ("198.51.100.7", Skip("198.51.100.7 is in a local network (198.51.100.0/24)")),
        (
            "198.51.100.130",
            Apply("198.51.100.130 is in a network that counts as remote (198.51.100.128/25)"),
        ),
        ("2001:db8:1::7", Skip("2001:db8:1::7 is in a local network (2001:db8:1::/48)")),
        ("10.9.8.7", Apply("10.9.8.7 is in a network that counts as remote (10.9.0.0/16)")),
        ("10.8.8.7", Skip("10.8.8.7 is in a local network (10.0.0.0/8)")),
    ],
)
def test_lists_of_ones_own(ip: str, answer: Apply | Skip) -> None:
    assert decide(remote_network, client(ip), **OWN) == answer


def test_the_smallest_network_decides_and_between_equals_remote() -> None:
    lists = {"local": ["10.1.0.0/16", "10.1.1.1"], "remote": ["10.0.0.0/8", "10.1.1.0/24"]}
    ours = [
        decide(remote_network, client(ip), **lists) for ip in ("10.2.0.1", "10.1.2.1", "10.1.1.2", "10.1.1.1")
    ]
    assert [isinstance(answer, Skip) for answer in ours] == [False, True, False, True]
