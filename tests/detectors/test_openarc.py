"""OpenARC, which no distribution has: the unit that its own sources bring, and its port."""

from __future__ import annotations

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, rc_script, unit

CONF = "Mode sv\nSocket inet:8894@localhost\n"
SOURCES: Files = {
    **unit("openarc", "EnvironmentFile=-/etc/sysconfig/openarc", "ExecStart=/usr/sbin/openarc -f $OPTIONS"),
    "/usr/sbin/openarc": PROGRAM,
    "/etc/openarc.conf": CONF,
}

MACHINES = [
    Example(
        "openarc",
        platform,
        SOURCES,
        "inet:8894@localhost",
        "/etc/openarc.conf:2",
        f"{WANTS}/openarc.service",
    )
    for platform in (Platform.DEBIAN, Platform.REDHAT)
] + [
    Example(
        "openarc",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/openarc",
                "openarc",
                "/usr/local/sbin/openarc",
                ': ${openarc_enable:="NO"}',
                ': ${openarc_cfgfile:="/usr/local/etc/mail/openarc.conf"}',
                'command_args="-c ${openarc_cfgfile}"',
                before=("rcvar=openarc_enable",),
            ),
            "/etc/rc.conf": "openarc_enable=YES\n",
            "/usr/local/etc/mail/openarc.conf": CONF,
        },
        "inet:8894@localhost",
        "/usr/local/etc/mail/openarc.conf:2",
        "/etc/rc.conf",
    )
]


def test_without_a_socket_it_does_not_start() -> None:
    finding = find_one("openarc", {**DEBIAN, **SOURCES, "/etc/openarc.conf": "Mode v\n"})
    assert finding.problem == "/etc/openarc.conf has no Socket"
