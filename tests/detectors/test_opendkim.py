"""OpenDKIM: which of its many files decides, on each platform."""

from __future__ import annotations

import pytest

from postmill.api import Platform, State
from postmill.testing.paper_machine import PROGRAM, Link
from tests.detectors.machines import (
    DEBIAN,
    FREEBSD,
    PKGSRC,
    REDHAT,
    SYSVINIT,
    WANTS,
    Example,
    Files,
    drop_in,
    find,
    find_one,
    init_script,
    rc_script,
    socket_of,
    unit,
)

CONF = "# signing and verifying\nSyslog yes\nSocket\t\tlocal:/run/opendkim/opendkim.sock  # for Postfix\n"
PACKAGE: Files = {
    **unit("opendkim", "Type=forking", "ExecStart=/usr/sbin/opendkim"),
    "/usr/sbin/opendkim": PROGRAM,
    "/etc/opendkim.conf": CONF,
    "/etc/default/opendkim": "RUNDIR=/run/elsewhere\nSOCKET=local:$RUNDIR/opendkim.sock\n",
}
EPEL: Files = {
    **unit("opendkim", "EnvironmentFile=-/etc/sysconfig/opendkim", "ExecStart=/usr/sbin/opendkim $OPTIONS"),
    "/usr/sbin/opendkim": PROGRAM,
    "/etc/opendkim.conf": CONF,
    "/etc/sysconfig/opendkim": 'OPTIONS="-x /etc/opendkim.conf -P /run/opendkim/opendkim.pid"\n',
}
PORT = rc_script(
    "/usr/local/etc/rc.d/milter-opendkim",
    "milteropendkim",
    "/usr/local/sbin/opendkim",
    ': ${milteropendkim_enable="NO"}',
    ': ${milteropendkim_cfgfile="/usr/local/etc/mail/opendkim.conf"}',
    'if [ -n "$2" ]; then',
    '  profile="$2"',
    '  eval milteropendkim_enable="\\${milteropendkim_${profile}_enable:-${milteropendkim_enable}}"',
    '  eval milteropendkim_socket="\\${milteropendkim_${profile}_socket:-}"',
    '  eval milteropendkim_cfgfile="\\${milteropendkim_${profile}_cfgfile:-${milteropendkim_cfgfile}}"',
    'elif [ "x${milteropendkim_profiles}" != "x" ]; then',
    "  for profile in ${milteropendkim_profiles}; do $0 $1 ${profile}; done",
    "  exit 0",
    "fi",
    'if [ -f "${milteropendkim_cfgfile}" ]; then cfg="-x ${milteropendkim_cfgfile}"; fi',
    'if [ "x${milteropendkim_socket}" != "x" ]; then prefix="-p"; fi',
    'command_args="-l ${prefix} ${milteropendkim_socket} ${cfg}"',
    before=("rcvar=milteropendkim_enable",),
)
NETBSD = rc_script(
    "/etc/rc.d/opendkim",
    "opendkim",
    "/usr/pkg/sbin/opendkim",
    before=("rcvar=$name", 'command_args="-l -x /usr/pkg/etc/opendkim.conf"'),
)

MACHINES = [
    Example(
        "opendkim",
        Platform.DEBIAN,
        PACKAGE,
        "unix:/run/opendkim/opendkim.sock",
        "/etc/opendkim.conf:3",
        f"{WANTS}/opendkim.service",
    ),
    Example(
        "opendkim",
        Platform.REDHAT,
        EPEL,
        "unix:/run/opendkim/opendkim.sock",
        "/etc/opendkim.conf:3",
        f"{WANTS}/opendkim.service",
    ),
    Example(
        "opendkim",
        Platform.FREEBSD,
        {
            **PORT,
            "/etc/rc.conf": "milteropendkim_enable=YES\n",
            "/usr/local/etc/mail/opendkim.conf": "Socket inet:8891@localhost\n",
        },
        "inet:8891@localhost",
        "/usr/local/etc/mail/opendkim.conf:1",
        "/etc/rc.conf",
    ),
    Example(
        "opendkim",
        Platform.PKGSRC,
        {**NETBSD, "/etc/rc.conf": "opendkim=YES\n", "/usr/pkg/etc/opendkim.conf": CONF},
        "unix:/run/opendkim/opendkim.sock",
        "/usr/pkg/etc/opendkim.conf:3",
        "/etc/rc.conf",
    ),
]


def test_debians_defaults_file_is_not_what_the_unit_reads() -> None:
    finding = find_one("opendkim", {**DEBIAN, **PACKAGE})
    assert (socket_of(finding), finding.problem) == ("unix:/run/opendkim/opendkim.sock", "")


def test_what_is_generated_from_it_is() -> None:
    """/lib/opendkim/opendkim.service.generate writes such a drop-in, whose -p is stronger than the file."""
    override = drop_in(
        "opendkim",
        "ExecStart=",
        "ExecStart=/usr/sbin/opendkim -P /run/opendkim.pid -p local:/run/elsewhere/opendkim.sock",
    )
    finding = find_one("opendkim", {**DEBIAN, **PACKAGE, **override})
    assert socket_of(finding) == "unix:/run/elsewhere/opendkim.sock"
    assert str(finding.source) == "/etc/systemd/system/opendkim.service.d/override.conf:3"


@pytest.mark.parametrize(
    ("conf", "socket"),
    [
        ("Socket local:/run/a\nSocket local:/run/b\n", "unix:/run/b"),
        ("sOCKET local:/run/a#b\n", "unix:/run/a"),
        ("Include /etc/opendkim.d/x\nSocket local:/run/b\n", "unix:/run/b"),
        ("Socket local:/run/b\nInclude /etc/opendkim.d/x\n", "inet:8891@127.0.0.1"),
        ("Socket /var/run/plain\n", "unix:/run/plain"),
        ("Socket inet:8891\n", "inet:8891@127.0.0.1"),
        ("Socket inet:8891@0.0.0.0\n", "inet:8891@127.0.0.1"),
        ("Socket inet6:8891@[::1]\n", "inet6:8891@::1"),
    ],
)
def test_its_configuration_is_read_as_it_reads_it(conf: str, socket: str) -> None:
    files = {
        **DEBIAN,
        **PACKAGE,
        "/etc/opendkim.conf": conf,
        "/etc/opendkim.d/x": "Socket inet:8891@127.0.0.1\n",
    }
    assert socket_of(find_one("opendkim", files)) == socket


def test_without_a_socket_it_does_not_start() -> None:
    finding = find_one("opendkim", {**DEBIAN, **PACKAGE, "/etc/opendkim.conf": "#Socket local:/x\n"})
    assert (finding.usable, finding.problem) == (False, "/etc/opendkim.conf has no Socket")


def test_a_socket_that_is_none_is_named_with_its_line() -> None:
    finding = find_one("opendkim", {**DEBIAN, **PACKAGE, "/etc/opendkim.conf": "\nSocket opendkim.sock\n"})
    assert finding.problem.startswith("/etc/opendkim.conf:2: endpoint 'opendkim.sock': the type in front is")


@pytest.mark.parametrize(("mode", "order"), [("v", 350), ("sv", 800), ("s", 800), ("vs", 800), ("", 800)])
def test_it_stands_before_those_that_edit_when_it_only_verifies(mode: str, order: int) -> None:
    conf = CONF + (f"Mode {mode}\n" if mode else "")
    assert find_one("opendkim", {**DEBIAN, **PACKAGE, "/etc/opendkim.conf": conf}).order == order


SCRIPT = init_script(
    "opendkim",
    "DAEMON=/usr/sbin/opendkim",
    "test -x $DAEMON || exit 0",
    "[ -f /etc/default/opendkim ] && . /etc/default/opendkim",
    "CONFIG_SOCKET=`awk '$1 == \"Socket\" { print $2 }' /etc/opendkim.conf`",
    'if [ -n "$SOCKET" -a -z "$CONFIG_SOCKET" ]; then DAEMON_OPTS="-p $SOCKET $DAEMON_OPTS"; fi',
    'start() { start-stop-daemon --start --exec "$DAEMON" -- $DAEMON_OPTS; }',
)


@pytest.mark.parametrize(
    ("conf", "socket"), [(CONF, "/run/opendkim/opendkim.sock"), ("", "/run/elsewhere/opendkim.sock")]
)
def test_without_systemd_the_defaults_file_counts_where_the_configuration_is_silent(
    conf: str, socket: str
) -> None:
    finding = find_one("opendkim", {**SYSVINIT, **PACKAGE, **SCRIPT, "/etc/opendkim.conf": conf})
    assert (socket_of(finding), finding.state) == (f"unix:{socket}", State.ENABLED)


def test_options_of_sysconfig_count_on_red_hat() -> None:
    options = 'OPTIONS="-x /etc/other.conf"\n'
    files = {
        **REDHAT,
        **EPEL,
        "/etc/sysconfig/opendkim": options,
        "/etc/other.conf": "Socket inet:8891@localhost\n",
    }
    assert str(find_one("opendkim", files, Platform.REDHAT).source) == "/etc/other.conf:1"
    files["/etc/sysconfig/opendkim"] = "OPTIONS='-p inet:8899@localhost'\n"
    finding = find_one("opendkim", files, Platform.REDHAT)
    assert (socket_of(finding), str(finding.source)) == ("inet:8899@localhost", "/etc/sysconfig/opendkim:1")


def test_each_profile_of_freebsd_is_a_milter() -> None:
    conf = """
milteropendkim_enable="YES"
milteropendkim_profiles="in out out"
milteropendkim_in_socket="local:/var/run/in.sock"
milteropendkim_out_socket="local:/var/run/out.sock"
milteropendkim_out_enable="NO"
"""
    inside, outside = find("opendkim", {**FREEBSD, **PORT, "/etc/rc.conf": conf}, Platform.FREEBSD)
    assert (inside.name, socket_of(inside), inside.problem) == ("opendkim-in", "unix:/var/run/in.sock", "")
    assert str(inside.source) == "/etc/rc.conf:4"
    assert (outside.name, outside.usable) == ("opendkim-out", False)
    assert outside.problem == "disabled: milteropendkim_enable=NO (/etc/rc.conf:6)"


def test_a_script_of_pkgsrc_that_nobody_copied_into_place() -> None:
    script = NETBSD["/etc/rc.d/opendkim"]
    files = {**PKGSRC, **NETBSD, "/usr/pkg/share/examples/rc.d/opendkim": script}
    del files["/etc/rc.d/opendkim"]
    finding = find_one("opendkim", files, Platform.PKGSRC)
    assert finding.state is State.DISABLED
    assert finding.problem.startswith("disabled: /usr/pkg/share/examples/rc.d/opendkim is not in /etc/rc.d")


def test_a_unit_of_ones_own_that_starts_something_else_is_told() -> None:
    own = unit("opendkim", "ExecStart=/opt/wrapper --quiet", folder="/etc/systemd/system")
    files = {**DEBIAN, **PACKAGE, **own, f"{WANTS}/opendkim.service": Link("../opendkim.service")}
    finding = find_one("opendkim", files)
    assert finding.notes == (
        "/etc/systemd/system/opendkim.service starts /opt/wrapper; options that it adds are not seen",
    )
    assert socket_of(finding) == "unix:/run/opendkim/opendkim.sock"


def test_a_milter_in_a_container_is_installed_although_its_program_is_not_here() -> None:
    own = unit("opendkim", "ExecStart=/usr/bin/podman run --rm opendkim", folder="/etc/systemd/system")
    files = {**DEBIAN, **own, "/usr/bin/podman": PROGRAM, "/etc/opendkim.conf": CONF}
    finding = find_one("opendkim", files)
    assert (socket_of(finding), finding.problem) == ("unix:/run/opendkim/opendkim.sock", "")
    assert "starts /usr/bin/podman" in finding.notes[0]
    del files["/usr/bin/podman"]
    assert find_one("opendkim", files).problem.startswith("removed: /usr/bin/podman is not there")
