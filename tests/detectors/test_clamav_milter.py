"""clamav-milter: a configuration that may not be there yet, or be an example."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM, Text
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

CONF = """\
#Automatically Generated
MilterSocket /var/run/clamav/clamav-milter.ctl
FixStaleSocket true
PidFile /var/run/clamav/clamav-milter.pid
Foreground false
"""
FILE = "/etc/clamav/clamav-milter.conf"
PACKAGE: Files = {
    **init_script(
        "clamav-milter",
        "DAEMON=/usr/sbin/clamav-milter",
        f"CLAMAVCONF={FILE}",
        '[ -x "$DAEMON" ] || exit 0',
        'slurp_config() { for variable in `awk "{print $1}" "$1"`; do export "$variable"="x"; done; }',
        'if [ ! -f "$CLAMAVCONF" ]; then exit 6; fi',
        'slurp_config "$CLAMAVCONF"',
        'if [ -z "$MilterSocket" ]; then exit 6; fi',
        "start() { start-stop-daemon --start --exec $DAEMON -- --config-file=$CLAMAVCONF; }",
    ),
    "/usr/sbin/clamav-milter": PROGRAM,
    FILE: CONF,
}
EPEL: Files = {
    **unit(
        "clamav-milter", "User=clamilt", "ExecStart=/usr/sbin/clamav-milter -c /etc/mail/clamav-milter.conf"
    ),
    "/usr/sbin/clamav-milter": PROGRAM,
    "/etc/mail/clamav-milter.conf": "MilterSocket /run/clamav-milter/clamav-milter.socket\n",
}

MACHINES = [
    Example(
        "clamav-milter",
        Platform.DEBIAN,
        PACKAGE,
        "unix:/run/clamav/clamav-milter.ctl",
        f"{FILE}:2",
        "/etc/rc?.d",
    ),
    Example(
        "clamav-milter",
        Platform.REDHAT,
        EPEL,
        "unix:/run/clamav-milter/clamav-milter.socket",
        "/etc/mail/clamav-milter.conf:1",
        f"{WANTS}/clamav-milter.service",
    ),
    Example(
        "clamav-milter",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/clamav-milter",
                "clamav_milter",
                "/usr/local/sbin/clamav-milter",
                ': ${clamav_milter_enable="NO"}',
                before=("rcvar=clamav_milter_enable",),
            ),
            "/etc/rc.conf": 'clamav_milter_enable="YES"\n',
            "/usr/local/etc/clamav-milter.conf": "MilterSocket /var/run/clamav/clmilter.sock\n",
        },
        "unix:/var/run/clamav/clmilter.sock",
        "/usr/local/etc/clamav-milter.conf:1",
        "/etc/rc.conf",
    ),
    Example(
        "clamav-milter",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/clamav-milter",
                "clamav_milter",
                "/usr/pkg/sbin/clamav-milter",
                before=("rcvar=$name",),
            ),
            "/etc/rc.conf": "clamav_milter=YES\n",
            "/usr/pkg/etc/clamav-milter.conf": "MilterSocket inet:7357@127.0.0.1\n",
        },
        "inet:7357@127.0.0.1",
        "/usr/pkg/etc/clamav-milter.conf:1",
        "/etc/rc.conf",
    ),
]


def test_debian_makes_the_file_when_the_package_is_configured() -> None:
    files = {path: entry for path, entry in {**DEBIAN, **PACKAGE}.items() if path != FILE}
    finding = find_one("clamav-milter", files)
    assert (finding.usable, finding.problem) == (False, f"not configured: {FILE} is missing")


@pytest.mark.parametrize("example", ["Example", "Example no", "  Example"])
def test_an_example_is_no_configuration(example: str) -> None:
    conf = f"##\n{example}\nMilterSocket /run/x\n"
    finding = find_one(
        "clamav-milter", {**REDHAT, **EPEL, "/etc/mail/clamav-milter.conf": conf}, Platform.REDHAT
    )
    assert socket_of(finding) == "unix:/run/x"
    assert finding.problem.startswith("not configured: /etc/mail/clamav-milter.conf:2 says Example")


@pytest.mark.parametrize(
    ("conf", "socket"),
    [
        ("MilterSocket /run/a\nMilterSocket /run/b\n", "unix:/run/a"),
        ('MilterSocket "/run/with blank"\n', "unix:/run/with blank"),
        ("MilterSocket\t/run/a\n", "unix:/run/a"),
        ("miltersocket /run/a\n", ""),
        ("#Example\nMilterSocket inet:7357@[::1]\n", "inet6:7357@::1"),
    ],
)
def test_its_configuration_is_read_as_it_reads_it(conf: str, socket: str) -> None:
    files = {**REDHAT, **EPEL, "/etc/mail/clamav-milter.conf": conf}
    assert socket_of(find_one("clamav-milter", files, Platform.REDHAT)) == socket


def test_debians_script_wants_more_than_the_program_does() -> None:
    conf = "MilterSocket /run/x\n"
    finding = find_one("clamav-milter", {**DEBIAN, **PACKAGE, FILE: conf})
    assert finding.problem == f"/etc/init.d/clamav-milter does not start it without PidFile in {FILE}"
    in_front = {**DEBIAN, **PACKAGE, FILE: f"{conf}PidFile /run/x.pid\nForeground yes\n"}
    assert "while /usr/bin/daemon is not installed" in find_one("clamav-milter", in_front).problem
    assert find_one("clamav-milter", {**in_front, "/usr/bin/daemon": PROGRAM}).usable


def test_a_unit_of_ones_own_wants_none_of_that() -> None:
    own = unit("clamav-milter", f"ExecStart=/usr/sbin/clamav-milter --config-file {FILE}")
    finding = find_one("clamav-milter", {**DEBIAN, **PACKAGE, **own, FILE: "MilterSocket /run/x\n"})
    assert (socket_of(finding), finding.problem) == ("unix:/run/x", "")


def test_a_secret_of_a_milter_that_is_not_started_does_not_matter() -> None:
    off = {path: entry for path, entry in {**REDHAT, **EPEL}.items() if not path.startswith(WANTS)}
    off["/etc/mail/clamav-milter.conf"] = Text("MilterSocket /run/x\n", mode=0o600)
    finding = find_one("clamav-milter", off, Platform.REDHAT)
    assert finding.problem.startswith("disabled: ")
