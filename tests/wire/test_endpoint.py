"""Endpoint spellings of libmilter and Postfix, one canonical form, and errors that say what to write."""

from __future__ import annotations

import pytest

from postmill.errors import EndpointError
from postmill.wire.endpoint import Endpoint, parse_endpoint

UNIX = Endpoint("unix", path="/run/x/y.sock")
LOCAL = Endpoint("inet", host="127.0.0.1", port=8891)
LOCAL6 = Endpoint("inet6", host="::1", port=8891)


@pytest.mark.parametrize(
    ("text", "endpoint", "canonical"),
    [
        ("unix:/run/x/y.sock", UNIX, "unix:/run/x/y.sock"),
        ("local:/run/x/y.sock", UNIX, "unix:/run/x/y.sock"),
        ("/run/x/y.sock", UNIX, "unix:/run/x/y.sock"),
        ("  UNIX:/run/x/y.sock ", UNIX, "unix:/run/x/y.sock"),
        ("inet:8891@127.0.0.1", LOCAL, "inet:8891@127.0.0.1"),
        ("inet:127.0.0.1:8891", LOCAL, "inet:8891@127.0.0.1"),
        ("inet:8891", LOCAL, "inet:8891@127.0.0.1"),
        ("INET:8891", LOCAL, "inet:8891@127.0.0.1"),
        (
            "inet:mail.example.org:25",
            Endpoint("inet", host="mail.example.org", port=25),
            "inet:25@mail.example.org",
        ),
        ("inet:65535@localhost", Endpoint("inet", host="localhost", port=65535), "inet:65535@localhost"),
        ("inet:0@localhost", Endpoint("inet", host="localhost", port=0), "inet:0@localhost"),
        ("inet6:8891@::1", LOCAL6, "inet6:8891@::1"),
        ("inet6:8891@[::1]", LOCAL6, "inet6:8891@::1"),
        ("inet6:8891", LOCAL6, "inet6:8891@::1"),
        ("inet:[::1]:8891", LOCAL6, "inet6:8891@::1"),
        ("inet:8891@::1", LOCAL6, "inet6:8891@::1"),
        (
            "inet6:8891@fe80::1%eth0",
            Endpoint("inet6", host="fe80::1%eth0", port=8891),
            "inet6:8891@fe80::1%eth0",
        ),
    ],
)
def test_every_known_spelling(text: str, endpoint: Endpoint, canonical: str) -> None:
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == canonical
    assert parse_endpoint(canonical) == endpoint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "it is empty"),
        ("8891", "type in front is missing"),
        ("localhost:8891", "unknown type 'localhost'"),
        ("unix:", "the path is missing"),
        ("unix:spamass/spamass.sock", "unix:/var/spool/postfix/spamass/spamass.sock"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
        ("unix:/a\nb", "control characters"),
        ("unix:/a\0b", "control characters"),
        ("inet:", "no port number"),
        ("inet:smtp@localhost", "'smtp' is no port number"),
        ("inet:65536@localhost", "no port number"),
        ("inet:123456789012@localhost", "no port number"),
        ("inet:-1@localhost", "no port number"),
        ("inet:٢٥@localhost", "no port number"),
        ("inet:25@", "the host after '@' is missing"),
        ("inet::25", "the host before ':' is missing"),
        ("inet:a b:25", "neither a host name nor an address"),
        ("inet:[::1:25", "neither a host name nor an address"),
        ("inet:25@[]", "neither a host name nor an address"),
        ("{ inet:localhost:25 }", "write unix:/path"),
    ],
)
def test_what_is_wrong_and_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(EndpointError) as refusal:
        parse_endpoint(text)
    assert hint in str(refusal.value)
    assert repr(text.strip()) in str(refusal.value)
