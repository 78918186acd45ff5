"""MIMEDefang: a line of shell in a unit, and a script that serves Debian and FreeBSD alike."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import (
    DEBIAN,
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

SOCKET = "unix:/var/spool/MIMEDefang/mimedefang.sock"
PACKAGE: Files = {
    **unit(
        "mimedefang",
        "Environment=LC_ALL=C MX_USER=defang SOCKET=/var/spool/MIMEDefang/mimedefang.sock",
        "EnvironmentFile=-/etc/default/mimedefang",
        "EnvironmentFile=-/etc/sysconfig/mimedefang",
        "ExecStartPre=/bin/rm -f $SOCKET",
        "ExecStart=/bin/sh -c 'exec /usr/bin/mimedefang \\",
        '    `[ -n "$MX_USER" ] && echo "-U $MX_USER"` \\',
        '    "`[ -n "$X_SCANNED_BY" ] && ( [ "$X_SCANNED_BY" = "-" ] && echo "-X" || echo "-x$X_SCANNED_BY" )`" \\',
        '    `[ "$MX_LOG" = yes ] && logger_of $MX_USER` \\',
        "    -p $SOCKET -P /run/mimedefang/mimedefang.pid'",
    ),
    "/usr/bin/mimedefang": PROGRAM,
    "/etc/default/mimedefang": "MX_EMBED_PERL=yes\n",
}
SCRIPT = (
    "prog=mimedefang; SPOOLDIR=/var/spool/MIMEDefang",
    "if [ -x /usr/bin/$prog ]; then PROGDIR=/usr/bin",
    "elif [ -x /usr/local/bin/$prog ]; then PROGDIR=/usr/local/bin",
    "else exit 0; fi",
    "if [ -f /etc/default/$prog ]; then . /etc/default/$prog; fi",
    "if [ -f /etc/rc.subr ]; then",
    "  . /etc/rc.subr",
    "  name=$prog",
    "  rcvar=${prog}_enable",
    "  eval $rcvar=\\${$rcvar:-NO}",
    "  load_rc_config $name",
    '  start_cmd="start"',
    "fi",
    "SOCKET=${SOCKET:=$SPOOLDIR/$prog.sock}",
    "start() {",
    "  $PROGDIR/$prog-multiplexor -s $SPOOLDIR/mx.sock",
    '  $PROGDIR/$prog -P /run/pid `[ -n "$MX_USER" ] && echo "-U $MX_USER"` -p $SOCKET',
    "}",
    'if type run_rc_command > /dev/null 2>&1; then run_rc_command "$1"; exit 0; fi',
)

MACHINES = [
    Example(
        "mimedefang",
        Platform.DEBIAN,
        PACKAGE,
        SOCKET,
        "/usr/lib/systemd/system/mimedefang.service:5",
        f"{WANTS}/mimedefang.service",
    ),
    Example(
        "mimedefang",
        Platform.REDHAT,
        PACKAGE,
        SOCKET,
        "/usr/lib/systemd/system/mimedefang.service:5",
        f"{WANTS}/mimedefang.service",
    ),
    Example(
        "mimedefang",
        Platform.FREEBSD,
        {
            "/usr/local/etc/rc.d/mimedefang": init_script("mimedefang", *SCRIPT)["/etc/init.d/mimedefang"],
            "/usr/local/bin/mimedefang": PROGRAM,
            "/etc/rc.conf": "mimedefang_enable=YES\n",
        },
        SOCKET,
        "/usr/local/etc/rc.d/mimedefang:16",
        "/etc/rc.conf",
    ),
    Example(
        "mimedefang",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/mimedefang",
                "mimedefang",
                "/usr/pkg/bin/mimedefang",
                before=(
                    "rcvar=$name",
                    'defangdir="/var/spool/MIMEDefang"',
                    'mimedefang_flags=${mimedefang_flags-"-p ${defangdir}/mimedefang.sock \\',
                    '  -m ${defangdir}/mimedefang-multiplexor.sock"}',
                    "mimedefang=${mimedefang:-NO}",
                    "SOFT_FDLIMIT=`ulimit -S -n`",
                    "if [ 128 -gt ${SOFT_FDLIMIT} ]; then ulimit -S -n 128; fi",
                ),
            ),
            "/etc/rc.conf": "mimedefang=YES\n",
        },
        SOCKET,
        "/etc/rc.d/mimedefang:7",
        "/etc/rc.conf",
    ),
]


@pytest.mark.parametrize(
    ("defaults", "socket"),
    [
        (
            "SOCKET=/var/spool/postfix/mimedefang/mimedefang.sock\n",
            "/var/spool/postfix/mimedefang/mimedefang.sock",
        ),
        (
            "SPOOLDIR=/x\nSOCKET=$SPOOLDIR/m.sock\n",
            "/m.sock",
        ),  # systemd expands nothing, sh knows no SPOOLDIR
    ],
)
def test_the_defaults_file_is_one_for_systemd(defaults: str, socket: str) -> None:
    files = {**DEBIAN, **PACKAGE, "/etc/default/mimedefang": defaults}
    expected = {"/m.sock": "$SPOOLDIR/m.sock"}.get(socket, f"unix:{socket}")
    finding = find_one("mimedefang", files)
    assert expected in (socket_of(finding), finding.problem) or expected in finding.problem


def test_the_script_is_what_starts_it_where_there_is_no_unit() -> None:
    files = {**DEBIAN, **init_script("mimedefang", *SCRIPT), "/usr/bin/mimedefang": PROGRAM}
    finding = find_one("mimedefang", files)
    assert (socket_of(finding), str(finding.source)) == (SOCKET, "/etc/init.d/mimedefang:16")
    files["/etc/default/mimedefang"] = "SOCKET=$SPOOLDIR/other.sock\n"
    assert socket_of(find_one("mimedefang", files)) == "unix:/var/spool/MIMEDefang/other.sock"


def test_a_drop_in_may_start_it_without_shell() -> None:
    override = drop_in(
        "mimedefang", "ExecStart=", "ExecStart=/usr/bin/mimedefang -p inet:8899@127.0.0.1 -m /x"
    )
    assert socket_of(find_one("mimedefang", {**DEBIAN, **PACKAGE, **override})) == "inet:8899@127.0.0.1"
