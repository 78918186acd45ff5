"""sid-milter: a command line."""

from __future__ import annotations

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, rc_script, unit

UNIT: Files = {
    **unit(
        "sid-milter",
        "EnvironmentFile=-/etc/sysconfig/sid-milter",
        "ExecStart=/usr/sbin/sid-filter -l -p $SOCKET $OPTIONS",
    ),
    "/usr/sbin/sid-filter": PROGRAM,
    "/etc/sysconfig/sid-milter": "SOCKET=local:/var/run/sid-milter/sid.sock\nOPTIONS='-r 0 -t'\n",
}

MACHINES = [
    *(
        Example(
            "sid-milter",
            platform,
            UNIT,
            "unix:/run/sid-milter/sid.sock",
            "/etc/sysconfig/sid-milter:1",
            f"{WANTS}/sid-milter.service",
        )
        for platform in (Platform.DEBIAN, Platform.REDHAT)
    ),
    Example(
        "sid-milter",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/miltersid",
                "miltersid",
                "/usr/local/libexec/sid-filter",
                ': ${miltersid_enable:="NO"}',
                ': ${miltersid_socket:="local:/var/run/sid-filter"}',
                'command_args="-l -p ${miltersid_socket} -P /var/run/sid-filter.pid"',
                before=('desc="SID Milter Daemon"', 'rcvar="miltersid_enable"'),
            ),
            "/etc/rc.conf": "miltersid_enable=YES\n",
        },
        "unix:/var/run/sid-filter",
        "/usr/local/etc/rc.d/miltersid:9",
        "/etc/rc.conf",
    ),
    Example(
        "sid-milter",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/sid-milter",
                "sidfilter",
                "/usr/pkg/bin/sid-filter",
                before=("rcvar=$name", 'command_args="-l -P /var/run/sid-filter.pid"'),
            ),
            "/etc/rc.conf": 'sidfilter=YES\nsidfilter_flags="-p local:/var/run/sid.sock"\n',
        },
        "unix:/var/run/sid.sock",
        "/etc/rc.conf:2",
        "/etc/rc.conf",
    ),
]


def test_without_a_socket_it_is_not_used() -> None:
    files = {**DEBIAN, **UNIT, "/etc/sysconfig/sid-milter": ""}
    finding = find_one("sid-milter", files)
    assert finding.problem == "/usr/lib/systemd/system/sid-milter.service gives it no socket (-p)"
