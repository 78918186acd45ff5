"""ENMA: dotted keys in a file that its command line names."""

from __future__ import annotations

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, rc_script, socket_of, unit

CONF = "## Milter ##\nmilter.socket:  inet:10025@127.0.0.1\nmilter.user:    daemon\n"
UNIT: Files = {
    **unit("enma", "ExecStart=/usr/bin/enma -c /etc/enma.conf"),
    "/usr/bin/enma": PROGRAM,
    "/etc/enma.conf": CONF,
}

MACHINES = [
    *(
        Example(
            "enma",
            platform,
            UNIT,
            "inet:10025@127.0.0.1",
            "/etc/enma.conf:2",
            f"{WANTS}/enma.service",
        )
        for platform in (Platform.DEBIAN, Platform.REDHAT)
    ),
    Example(
        "enma",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/milter-enma",
                "milterenma",
                "/usr/local/libexec/enma",
                "pidfile=${milterenma_pid}",
                'command_args="-c ${milterenma_cfgfile}"',
                "_piddir=$(dirname ${pidfile})",
                before=(
                    'milterenma_enable=${milterenma_enable:-"NO"}',
                    'milterenma_cfgfile=${milterenma_cfgfile:-"/usr/local/etc/enma.conf"}',
                    "rcvar=`set_rcvar`",
                ),
            ),
            "/etc/rc.conf": "milterenma_enable=YES\n",
            "/usr/local/etc/enma.conf": CONF,
        },
        "inet:10025@127.0.0.1",
        "/usr/local/etc/enma.conf:2",
        "/etc/rc.conf",
    ),
    Example(
        "enma",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/enma",
                "enma",
                "/usr/pkg/bin/enma",
                before=("rcvar=${name}", 'command_args="-c /usr/pkg/etc/enma.conf"'),
            ),
            "/etc/rc.conf": "enma=YES\n",
            "/usr/pkg/etc/enma.conf": "milter.socket: /var/run/enma.sock\n",
        },
        "unix:/var/run/enma.sock",
        "/usr/pkg/etc/enma.conf:1",
        "/etc/rc.conf",
    ),
]


def test_a_file_that_says_nothing_leaves_what_is_built_in() -> None:
    finding = find_one("enma", {**DEBIAN, **UNIT, "/etc/enma.conf": "milter.user: x\n"})
    assert (socket_of(finding), str(finding.source)) == (
        "inet:10025@127.0.0.1",
        "built-in default of /usr/bin/enma",
    )
