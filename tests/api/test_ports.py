"""DNS servers as settings write them."""

from __future__ import annotations

import pytest

from postmill.api.mail_kinds import DnsServer
from postmill.api.ports import split_server


@pytest.mark.parametrize(
    ("server", "parts"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[::1]", ("::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_servers(server: str, parts: tuple[str, int]) -> None:
    assert split_server(server) == parts
    assert DnsServer().parse(server) == server


@pytest.mark.parametrize(
    "server",
    [
        *(
            "",
            "localhost",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:x",
            "127.0.0.999",
            ":53",
        ),
        *("[::1", "[::1]x", "[::1]:", "[127.0.0.1]x", "127.0.0.1:²", "1:2:3"),
    ],
)
def test_no_servers(server: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_server(server)
    with pytest.raises(ValueError, match=r"^$"):
        DnsServer().parse(server)
