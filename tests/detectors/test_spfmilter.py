"""spfmilter: a command line whose last word is the socket."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, rc_script, socket_of, unit


def started(arguments: str) -> Files:
    return {
        **unit("spfmilter", f"ExecStart=/usr/sbin/spfmilter {arguments}"),
        "/usr/sbin/spfmilter": PROGRAM,
    }


MACHINES = [
    *(
        Example(
            "spfmilter",
            platform,
            started("-X -u nobody unix:/run/spfmilter.sock"),
            "unix:/run/spfmilter.sock",
            "/usr/lib/systemd/system/spfmilter.service:5",
            f"{WANTS}/spfmilter.service",
        )
        for platform in (Platform.DEBIAN, Platform.REDHAT)
    ),
    Example(
        "spfmilter",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/spfmilter",
                "spfmilter",
                "/usr/local/libexec/spfmilter",
                'spfmilter_enable="${spfmilter_enable:-NO}"',
                'spfmilter_socket="${spfmilter_socket:-/var/run/spfmilter.sock}"',
                'spfmilter_flags="${spfmilter_flags} -u nobody ${spfmilter_socket}"',
                before=("rcvar=spfmilter_enable",),
            ),
            "/etc/rc.conf": "spfmilter_enable=YES\nspfmilter_flags=-m\n",
        },
        "unix:/var/run/spfmilter.sock",
        "/usr/local/etc/rc.d/spfmilter:8",
        "/etc/rc.conf",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "socket"),
    [
        ("--markonly --user nobody inet:2525@127.0.0.1", "inet:2525@127.0.0.1"),
        ("-mtu nobody /var/run/x.sock", "unix:/run/x.sock"),
        ("--pidfile=/run/x.pid -X", ""),
    ],
)
def test_the_socket_stands_behind_the_options(arguments: str, socket: str) -> None:
    assert socket_of(find_one("spfmilter", {**DEBIAN, **started(arguments)})) == socket
