"""spamass-milter: Debian's script, which looks for Postfix, and EPEL's environment files."""

from __future__ import annotations

import pytest

from postmill.api import Platform, State
from postmill.testing.paper_machine import PROGRAM, Link, Text
from tests.detectors.machines import (
    DEBIAN,
    REDHAT,
    WANTS,
    Example,
    Files,
    find_one,
    init_script,
    rc_script,
    socket_of,
    unit,
)

LINES = (
    "DAEMON=/usr/sbin/spamass-milter",
    "SOCKET=/var/run/spamass/spamass.sock",
    "PIDFILE=/var/run/spamass/spamass.pid",
    "DEFAULT=/etc/default/spamass-milter",
    "RUNAS=spamass-milter",
    "test -x $DAEMON || exit 0",
    "if [ -e /etc/mail/sendmail.cf ] && egrep -q spamass.sock /etc/mail/sendmail.cf; then",
    "    SOCKET=/var/run/sendmail/spamass.sock",
    "fi;",
    "if [ -x /usr/sbin/postfix ]; then",
    '    SOCKET="/var/spool/postfix/spamass/spamass.sock"',
    "fi;",
    "if [ -r $DEFAULT ]; then",
    "    . $DEFAULT;",
    "fi;",
    'if [ -n "$RUNAS" ]; then CHUID="--chuid $RUNAS"; fi',
    "start() {",
    '    [ "$(stat -c %U $(dirname $SOCKET))" = "$RUNAS" ] || echo "WARNING: not ours";',
    "    start-stop-daemon --start -p $PIDFILE $CHUID --exec $DAEMON -- -P $PIDFILE -f -p $SOCKET $OPTIONS",
    "}",
)
PACKAGE: Files = {
    **init_script("spamass-milter", *LINES),
    "/usr/sbin/spamass-milter": PROGRAM,
    "/etc/default/spamass-milter": '# SOCKET="/tmp/x"\nOPTIONS="-u spamass-milter -i 127.0.0.1"\n',
}
POSTFIX: Files = {"/usr/sbin/postfix": PROGRAM}
EPEL: Files = {
    **unit(
        "spamass-milter",
        "User=sa-milt",
        "EnvironmentFile=-/etc/sysconfig/spamass-milter",
        "EnvironmentFile=-/etc/sysconfig/spamass-milter-postfix",
        "ExecStart=/usr/sbin/spamass-milter -p ${SOCKET} $SOCKET_OPTIONS $EXTRA_FLAGS",
    ),
    "/usr/sbin/spamass-milter": PROGRAM,
    "/etc/sysconfig/spamass-milter": 'SOCKET=/run/spamass-milter/spamass-milter.sock\n#EXTRA_FLAGS="-m -r 15"\n',
}
FOR_POSTFIX: Files = {
    "/etc/sysconfig/spamass-milter-postfix": (
        '# for Postfix\nSOCKET="/run/spamass-milter/postfix/sock"\nSOCKET_OPTIONS="-g postfix"\n'
    )
}

MACHINES = [
    Example(
        "spamass-milter",
        Platform.DEBIAN,
        {**PACKAGE, **POSTFIX},
        "unix:/var/spool/postfix/spamass/spamass.sock",
        "/etc/init.d/spamass-milter:13",
        "/etc/rc?.d",
    ),
    Example(
        "spamass-milter",
        Platform.REDHAT,
        {**EPEL, **FOR_POSTFIX},
        "unix:/run/spamass-milter/postfix/sock",
        "/etc/sysconfig/spamass-milter-postfix:2",
        f"{WANTS}/spamass-milter.service",
    ),
    Example(
        "spamass-milter",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/spamass-milter",
                "spamass_milter",
                "/usr/local/sbin/spamass-milter",
                ': ${spamass_milter_enable="NO"}',
                ': ${spamass_milter_socket="/var/run/spamass-milter.sock"}',
                ': ${spamass_milter_flags="-f -p ${spamass_milter_socket} ${spamass_milter_localflags}"}',
                before=("rcvar=`set_rcvar`",),
            ),
            "/etc/rc.conf.local": "spamass_milter_enable=yes\nspamass_milter_localflags='-r 15'\n",
        },
        "unix:/var/run/spamass-milter.sock",
        "/usr/local/etc/rc.d/spamass-milter:8",
        "/etc/rc.conf.local",
    ),
    Example(
        "spamass-milter",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/spamass-milter",
                "spamass_milter",
                "/usr/pkg/sbin/spamass-milter",
                'command_args="${command_args} ${spamass_milter_flags}"',
                "spamass_milter_flags=",
                before=("rcvar=${name}", 'command_args="-u nobody -p /var/run/spamass.sock -f"'),
            ),
            "/etc/rc.conf": 'spamass_milter=YES\nspamass_milter_flags="-r 5 -- -d 127.0.0.1"\n',
        },
        "unix:/var/run/spamass.sock",
        "/etc/rc.d/spamass-milter:6",
        "/etc/rc.conf",
    ),
]


def test_without_postfix_its_own_directory_is_used() -> None:
    finding = find_one("spamass-milter", {**DEBIAN, **PACKAGE})
    assert socket_of(finding) == "unix:/run/spamass/spamass.sock", "/var/run is /run"
    assert str(finding.source) == "/etc/init.d/spamass-milter:4"


@pytest.mark.parametrize(
    ("defaults", "socket", "line"),
    [
        ('SOCKET="/run/x"\n', "/run/x", 1),
        ("\nDIR=/run/y\nSOCKET=$DIR/z\n", "/run/y/z", 3),
        ('\n\nOPTIONS="-p /run/later -r 15"\n', "/run/later", 3),  # stands behind the script's own -p
    ],
)
def test_the_defaults_file_decides_last(defaults: str, socket: str, line: int) -> None:
    files = {**DEBIAN, **PACKAGE, **POSTFIX, "/etc/default/spamass-milter": defaults}
    finding = find_one("spamass-milter", files)
    assert socket_of(finding) == f"unix:{socket}"
    assert str(finding.source) == f"/etc/default/spamass-milter:{line}"


def test_sendmails_old_place_cannot_be_told_without_running_egrep() -> None:
    files = {
        **DEBIAN,
        **PACKAGE,
        "/etc/mail/sendmail.cf": "Xspamassassin, S=local:/var/run/sendmail/spamass.sock\n",
    }
    assert socket_of(find_one("spamass-milter", files)) == "unix:/run/spamass/spamass.sock"


def test_a_removed_package_leaves_its_script_and_links() -> None:
    files = {path: entry for path, entry in {**DEBIAN, **PACKAGE, **POSTFIX}.items() if entry is not PROGRAM}
    files["/var/lib/dpkg/status"] = (
        "Package: spamass-milter\nPriority: optional\nStatus: deinstall ok config-files\n\n"
        "Package: zlib\nStatus: install ok installed\n"
    )
    finding = find_one("spamass-milter", files)
    assert (finding.installed, finding.usable, finding.state) == (False, False, State.ENABLED)
    assert finding.problem == (
        "removed: /usr/sbin/spamass-milter is not there, but /etc/init.d/spamass-milter still is "
        "(apt purge spamass-milter)"
    )


def test_links_that_kill_do_not_start() -> None:
    script = init_script("spamass-milter", *LINES, letter="K")
    finding = find_one("spamass-milter", {**DEBIAN, **script, "/usr/sbin/spamass-milter": PROGRAM})
    assert finding.state is State.DISABLED
    assert finding.problem == (
        "disabled: /etc/rc2.d/K01spamass-milter "
        "(update-rc.d spamass-milter enable, or chkconfig spamass-milter on)"
    )


def test_systemd_can_mask_a_script() -> None:
    mask = {"/etc/systemd/system/spamass-milter.service": Link("/dev/null")}
    finding = find_one("spamass-milter", {**DEBIAN, **PACKAGE, **mask})
    assert (finding.state, finding.usable) == (State.MASKED, False)
    assert finding.problem == (
        "masked: /etc/systemd/system/spamass-milter.service leads to /dev/null "
        "(systemctl unmask spamass-milter.service)"
    )


def test_the_package_for_postfix_counts_on_red_hat() -> None:
    finding = find_one("spamass-milter", {**REDHAT, **EPEL}, Platform.REDHAT)
    assert socket_of(finding) == "unix:/run/spamass-milter/spamass-milter.sock"


def test_red_hats_unit_for_root_is_another_name() -> None:
    own = unit("spamass-milter-root", "ExecStart=/usr/sbin/spamass-milter -p /run/root.sock")
    files = {**REDHAT, **EPEL, **own}
    del files[f"{WANTS}/spamass-milter.service"]
    finding = find_one("spamass-milter", files, Platform.REDHAT)
    assert (socket_of(finding), finding.usable) == ("unix:/run/root.sock", True)


def test_a_script_that_may_not_be_read_leaves_open_whether_it_runs() -> None:
    files = {**DEBIAN, **PACKAGE, "/etc/default/spamass-milter": Text("SOCKET=/x\n", mode=0o600)}
    finding = find_one("spamass-milter", files)
    assert (finding.state, finding.usable) == (State.UNKNOWN, False)
    assert finding.problem == "/etc/default/spamass-milter cannot be read: Permission denied"
