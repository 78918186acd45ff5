"""amavisd-milter: built-in sockets, and Debian's script that has another only when told."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import (
    DEBIAN,
    WANTS,
    Example,
    Files,
    find_one,
    init_script,
    rc_script,
    socket_of,
    unit,
)

DEFAULTS = "/etc/default/amavisd-milter"
PACKAGE: Files = {
    **init_script(
        "amavisd-milter",
        "DAEMON=/usr/sbin/amavisd-milter",
        "NAME=amavisd-milter",
        '[ -x "$DAEMON" ] || exit 0',
        '[ -r "/etc/default/$NAME" ] && . "/etc/default/$NAME"',
        'if [ -z "$MILTERSOCKET" ]; then',
        '  MILTERSOCKET="/var/lib/amavis/amavisd-milter.sock"',
        "else",
        '  OPTIONS="$OPTIONS -s $MILTERSOCKET"',
        '  if [ "$(echo $MILTERSOCKET | grep ^inet)" ]; then TYPE=tcp; fi',
        "fi",
        '[ -z "$EXTRAPARAMS" ] || OPTIONS="$OPTIONS $EXTRAPARAMS"',
        'START="--start --chuid amavis --startas $DAEMON --name $NAME -- $OPTIONS"',
        "start() { start-stop-daemon $START; }",
    ),
    "/usr/sbin/amavisd-milter": PROGRAM,
    DEFAULTS: "#MILTERSOCKET=inet:60001@127.0.0.1\n",
}

MACHINES = [
    Example(
        "amavisd-milter",
        Platform.DEBIAN,
        PACKAGE,
        "unix:/var/lib/amavis/amavisd-milter.sock",
        "built-in default of /usr/sbin/amavisd-milter",
        "/etc/rc?.d",
    ),
    Example(
        "amavisd-milter",
        Platform.REDHAT,
        {
            **unit(
                "amavisd-milter",
                "EnvironmentFile=-/etc/sysconfig/amavisd-milter",
                "ExecStart=/usr/sbin/amavisd-milter -f $AMAVISD_MILTER_OPTIONS",
            ),
            "/usr/sbin/amavisd-milter": PROGRAM,
        },
        "unix:/run/amavisd/amavisd-milter.sock",
        "built-in default of /usr/sbin/amavisd-milter",
        f"{WANTS}/amavisd-milter.service",
    ),
    Example(
        "amavisd-milter",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/amavisd-milter",
                "amavisd_milter",
                "/usr/local/sbin/amavisd-milter",
                ': ${amavisd_milter_enable:="NO"}',
                ': ${amavisd_milter_socket:="/var/amavis/amavisd-milter.sock"}',
                'command_args="-p /var/amavis/pid -s ${amavisd_milter_socket} -S /var/amavis/amavisd.sock"',
                before=("rcvar=amavisd_milter_enable",),
            ),
            "/etc/rc.conf": "amavisd_milter_enable=YES\n",
        },
        "unix:/var/amavis/amavisd-milter.sock",
        "/usr/local/etc/rc.d/amavisd-milter:8",
        "/etc/rc.conf",
    ),
]


@pytest.mark.parametrize(
    ("defaults", "socket", "line"),
    [
        ("MILTERSOCKET=inet:60001@127.0.0.1\n", "inet:60001@127.0.0.1", 1),
        (
            "#\nMILTERSOCKET=/var/spool/postfix/amavis/amavis.sock\n",
            "unix:/var/spool/postfix/amavis/amavis.sock",
            2,
        ),
        ('EXTRAPARAMS="-s /run/extra.sock"\n', "unix:/run/extra.sock", 1),
    ],
)
def test_the_defaults_file_adds_the_option(defaults: str, socket: str, line: int) -> None:
    finding = find_one("amavisd-milter", {**DEBIAN, **PACKAGE, DEFAULTS: defaults})
    assert (socket_of(finding), str(finding.source)) == (socket, f"{DEFAULTS}:{line}")
