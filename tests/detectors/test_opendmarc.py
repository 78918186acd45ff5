"""OpenDMARC: its configuration, and what is stronger."""

from __future__ import annotations

import pytest

from postmill.api import Platform, State
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import (
    DEBIAN,
    SYSVINIT,
    WANTS,
    Example,
    Files,
    drop_in,
    find_one,
    init_script,
    rc_script,
    socket_of,
    unit,
)

CONF = "# Socket inet:1@localhost\nSocket local:/run/opendmarc/opendmarc.sock\nUMask 0002\n"
PACKAGE: Files = {
    **unit("opendmarc", "Type=forking", "User=opendmarc", "ExecStart=/usr/sbin/opendmarc"),
    "/usr/sbin/opendmarc": PROGRAM,
    "/etc/opendmarc.conf": CONF,
    "/etc/default/opendmarc": "SOCKET=local:/run/elsewhere.sock\n",
}
PORT = rc_script(
    "/usr/local/etc/rc.d/opendmarc",
    "opendmarc",
    "/usr/local/sbin/opendmarc",
    'opendmarc_enable=${opendmarc_enable-"NO"}',
    'opendmarc_socketspec=${opendmarc_socketspec-"inet:8893@localhost"}',
    'opendmarc_cfgfile=${opendmarc_cfgfile-"/usr/local/etc/mail/opendmarc.conf"}',
    'opendmarc_flags=${opendmarc_flags-"-l \\',
    ' -c $opendmarc_cfgfile -p $opendmarc_socketspec"}',
    before=("rcvar=opendmarc_enable",),
)

MACHINES = [
    Example(
        "opendmarc",
        Platform.DEBIAN,
        PACKAGE,
        "unix:/run/opendmarc/opendmarc.sock",
        "/etc/opendmarc.conf:2",
        f"{WANTS}/opendmarc.service",
    ),
    Example(
        "opendmarc",
        Platform.REDHAT,
        {
            **unit(
                "opendmarc",
                "EnvironmentFile=-/etc/sysconfig/opendmarc",
                "ExecStart=/usr/sbin/opendmarc $OPTIONS",
            ),
            "/usr/sbin/opendmarc": PROGRAM,
            "/etc/sysconfig/opendmarc": 'OPTIONS="-c /etc/opendmarc.conf -P /run/opendmarc/opendmarc.pid"\n',
            "/etc/opendmarc.conf": "Socket inet:8893@localhost\n",  # EL 7
        },
        "inet:8893@localhost",
        "/etc/opendmarc.conf:1",
        f"{WANTS}/opendmarc.service",
    ),
    Example(
        "opendmarc",
        Platform.FREEBSD,
        {**PORT, "/etc/rc.conf": "opendmarc_enable=YES\nopendmarc_socketspec=inet:8890@localhost\n"},
        "inet:8890@localhost",
        "/etc/rc.conf:2",
        "/etc/rc.conf",
    ),
    Example(
        "opendmarc",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/opendmarc",
                "opendmarc",
                "/usr/pkg/sbin/opendmarc",
                before=("rcvar=$name", 'command_args="-c /usr/pkg/etc/opendmarc.conf"'),
            ),
            "/etc/rc.conf.d/opendmarc": "opendmarc=yes\n",
            "/usr/pkg/etc/opendmarc.conf": CONF,
        },
        "unix:/run/opendmarc/opendmarc.sock",
        "/usr/pkg/etc/opendmarc.conf:2",
        "/etc/rc.conf.d/opendmarc",
    ),
]


def test_debians_defaults_file_is_not_what_the_unit_reads() -> None:
    assert socket_of(find_one("opendmarc", {**DEBIAN, **PACKAGE})) == "unix:/run/opendmarc/opendmarc.sock"


@pytest.mark.parametrize(
    ("line", "socket"),
    [
        ("ExecStart=/usr/sbin/opendmarc -c /etc/other.conf", "inet:1234@127.0.0.1"),
        ("ExecStart=/usr/sbin/opendmarc -p inet:99@127.0.0.1 -c /etc/other.conf", "inet:99@127.0.0.1"),
        ("ExecStart=/usr/sbin/opendmarc -lpinet:98@127.0.0.1", "inet:98@127.0.0.1"),
    ],
)
def test_options_of_a_drop_in_are_stronger(line: str, socket: str) -> None:
    override = drop_in("opendmarc", "ExecStart=", line)
    files = {**DEBIAN, **PACKAGE, **override, "/etc/other.conf": "Socket inet:1234@127.0.0.1\n"}
    assert socket_of(find_one("opendmarc", files)) == socket


def test_without_systemd_the_defaults_file_counts_where_the_configuration_is_silent() -> None:
    script = init_script(
        "opendmarc",
        "test -f /etc/default/opendmarc && . /etc/default/opendmarc",
        "CONFIG_SOCKET=`awk '{ print $2 }' /etc/opendmarc.conf`",
        'if [ -n "$SOCKET" -a -z "$CONFIG_SOCKET" ]; then DAEMON_OPTS="-p $SOCKET"; fi',
        "start() { start-stop-daemon --exec /usr/sbin/opendmarc -- -c /etc/opendmarc.conf $DAEMON_OPTS; }",
    )
    finding = find_one("opendmarc", {**SYSVINIT, **PACKAGE, **script, "/etc/opendmarc.conf": ""})
    assert (socket_of(finding), finding.state) == ("unix:/run/elsewhere.sock", State.ENABLED)
