"""Authentication Milter: relaxed JSON or TOML, and a protocol that need not be milter."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import (
    DEBIAN,
    SYSVINIT,
    WANTS,
    Example,
    Files,
    find_one,
    init_script,
    socket_of,
    unit,
)

JSON = """\
{   # comments are allowed
    "debug" : 1,
    "connection" : "inet:12345@localhost",   # where
    "handlers" : { "SPF" : {}, "DKIM" : {}, },
}
"""
PACKAGE: Files = {
    **unit(
        "authentication_milter",
        "ExecStart=/usr/bin/perl /usr/local/bin/authentication_milter --pidfile=/run/am.pid",
    ),
    "/usr/local/bin/authentication_milter": PROGRAM,
    "/etc/authentication_milter.json": JSON,
}

MACHINES = [
    Example(
        "authentication_milter",
        platform,
        PACKAGE,
        "inet:12345@localhost",
        "/etc/authentication_milter.json:3",
        f"{WANTS}/authentication_milter.service",
    )
    for platform in (Platform.DEBIAN, Platform.REDHAT)
]


def test_toml_is_preferred_to_json() -> None:
    files = {**DEBIAN, **PACKAGE, "/etc/authentication_milter.toml": 'connection = "unix:/var/run/am.sock"\n'}
    assert socket_of(find_one("authentication_milter", files)) == "unix:/run/am.sock"


def test_its_files_stand_below_a_prefix() -> None:
    own = unit(
        "authentication_milter", "ExecStart=/usr/local/bin/authentication_milter --prefix /srv/am --daemon"
    )
    files = {**DEBIAN, **PACKAGE, **own}
    assert find_one("authentication_milter", files).problem == (
        "not configured: /srv/am/authentication_milter.json is missing"
    )
    files["/srv/am/authentication_milter.json"] = '{"connection": "inet:1@localhost"}'
    assert socket_of(find_one("authentication_milter", files)) == "inet:1@localhost"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"connection": "inet:1@localhost", "protocol": "smtp"}',
            "sets protocol 'smtp': it is no milter then",
        ),
        ("{}", "has no connection"),
        ("[1]", "has no connection"),
        ("not JSON", "has no connection"),
        ('{"connection": 5}', "has no connection"),
    ],
)
def test_what_is_no_milter_is_not_used(text: str, problem: str) -> None:
    finding = find_one(
        "authentication_milter", {**DEBIAN, **PACKAGE, "/etc/authentication_milter.json": text}
    )
    assert finding.problem == f"/etc/authentication_milter.json {problem}"


def test_its_init_script_starts_the_program_by_itself() -> None:
    script = init_script(
        "authentication_milter",
        "DAEMON=/usr/local/bin/authentication_milter",
        "test -f $DAEMON || exit 0",
        "start() { $DAEMON --pidfile=/run/am.pid --control=start; }",
    )
    finding = find_one("authentication_milter", {**SYSVINIT, **PACKAGE, **script})
    assert (socket_of(finding), finding.problem) == ("inet:12345@localhost", "")
