"""milter-greylist: its own grammar, Debian's script that nobody runs, and clients that are made to wait."""

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
    find_one,
    init_script,
    rc_script,
    socket_of,
    unit,
)

FILE = "/etc/milter-greylist/greylist.conf"
CONF = '# greylisting\nsocket "/var/run/milter-greylist/milter-greylist.sock" 660\ndumpfreq 1\n'
SCRIPT = init_script(
    "milter-greylist",
    "DAEMON=/usr/sbin/milter-greylist",
    'NAME="greylist"; DESC="Greylisting"',
    "SOCKET=/var/run/milter-greylist/script.sock",
    "[ -x $DAEMON ] || DAEMON=/usr/bin/milter-greylist",
    "[ -x $DAEMON ] || exit 0",
    "ENABLED=0",
    "test -f /etc/default/milter-greylist && . /etc/default/milter-greylist",
    'if [ "$ENABLED" = "0" ]; then echo "$DESC: disabled"; exit 0; fi',
    'if ! getent passwd | grep -q "^greylist:"; then exit 1; fi',
    "start() {",
    "  start-stop-daemon --start --name milter-greylist --startas $DAEMON -- $OPTIONS -u greylist -p $SOCKET",
    "}",
)
PACKAGE: Files = {
    **unit("milter-greylist", "Type=forking", "ExecStart=/usr/sbin/milter-greylist -u greylist"),
    **SCRIPT,
    "/usr/sbin/milter-greylist": PROGRAM,
    "/etc/default/milter-greylist": "SOCKET=/var/run/milter-greylist/default.sock\n",
    FILE: CONF,
}

MACHINES = [
    Example(
        "milter-greylist",
        Platform.DEBIAN,
        PACKAGE,
        "unix:/run/milter-greylist/milter-greylist.sock",
        f"{FILE}:2",
        f"{WANTS}/milter-greylist.service",
    ),
    Example(
        "milter-greylist",
        Platform.REDHAT,
        {
            **unit("milter-greylist", "ExecStart=/usr/sbin/milter-greylist -D -u grmilter"),
            "/usr/sbin/milter-greylist": PROGRAM,
            "/etc/mail/greylist.conf": 'socket "/run/milter-greylist/milter-greylist.sock"\n',
        },
        "unix:/run/milter-greylist/milter-greylist.sock",
        "/etc/mail/greylist.conf:1",
        f"{WANTS}/milter-greylist.service",
    ),
    Example(
        "milter-greylist",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/milter-greylist",
                "miltergreylist",
                "/usr/local/libexec/milter-greylist",
                'miltergreylist_enable=${miltergreylist_enable-"NO"}',
                'miltergreylist_sockfile=${miltergreylist_sockfile-"/var/milter-greylist/milter-greylist.sock"}',
                'miltergreylist_cfgfile=${miltergreylist_cfgfile-"/usr/local/etc/mail/greylist.conf"}',
                'miltergreylist_flags=${miltergreylist_flags-"-f $miltergreylist_cfgfile -p $miltergreylist_sockfile"}',
                before=("rcvar=`set_rcvar`",),
            ),
            "/usr/local/etc/rc.conf.d/miltergreylist": "miltergreylist_enable=YES\n",
            "/usr/local/etc/mail/greylist.conf": 'socket "/weaker"\n',
        },
        "unix:/var/milter-greylist/milter-greylist.sock",
        "/usr/local/etc/rc.d/milter-greylist:8",
        "/usr/local/etc/rc.conf.d/miltergreylist",
    ),
    Example(
        "milter-greylist",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/milter-greylist",
                "miltergreylist",
                "/usr/pkg/bin/milter-greylist",
                before=(
                    "rcvar=miltergreylist",
                    'command_args="-p /var/milter-greylist/milter-greylist.sock"',
                ),
            ),
            "/etc/rc.conf": "miltergreylist=YES\n",
        },
        "unix:/var/milter-greylist/milter-greylist.sock",
        "/etc/rc.d/milter-greylist:6",
        "/etc/rc.conf",
    ),
]


@pytest.mark.parametrize(
    ("conf", "socket"),
    [
        ('socket "/run/a"\nsocket "/run/b"\n', "unix:/run/b"),
        ('SOCKET "/run/a" 666 # for all\n', "unix:/run/a"),
        ('socket \\\n  "/run/a"\n', "unix:/run/a"),
        ('socket "inet:12345@127.0.0.1"\n', "inet:12345@127.0.0.1"),
        ('#socket "/run/a"\nstat ">>/x" "socket \\"/run/b\\""\n', ""),
    ],
)
def test_its_configuration_is_read_as_it_reads_it(conf: str, socket: str) -> None:
    assert socket_of(find_one("milter-greylist", {**DEBIAN, **PACKAGE, FILE: conf})) == socket


def test_an_option_is_stronger_than_the_file() -> None:
    own = unit("milter-greylist", "ExecStart=/usr/sbin/milter-greylist -u greylist -p /run/option.sock")
    assert socket_of(find_one("milter-greylist", {**DEBIAN, **PACKAGE, **own})) == "unix:/run/option.sock"


def test_without_systemd_the_script_decides_and_its_option_wins() -> None:
    finding = find_one("milter-greylist", {**SYSVINIT, **PACKAGE})
    assert finding.problem == "disabled: /etc/init.d/milter-greylist:8 sets ENABLED=0"
    defaults = "SOCKET=/var/run/milter-greylist/default.sock\nENABLED=1\n"
    files = {**SYSVINIT, **PACKAGE, "/etc/default/milter-greylist": defaults}
    finding = find_one("milter-greylist", files)
    assert (socket_of(finding), finding.state) == (
        "unix:/run/milter-greylist/default.sock",
        State.ENABLED,
    )
    assert str(finding.source) == "/etc/default/milter-greylist:1"


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("racl greylist default\n", None),
        ("racl greylist tarpit 30s default\n", 55),
        ("racl greylist \\\n  tarpit 2m\nracl whitelist tarpit 5\n", 145),
        ("# racl greylist tarpit 1h\n", None),
        ("acl greylist tarpit 999999999w\n", 604800),
    ],
)
def test_who_makes_clients_wait_is_given_the_time(line: str, seconds: int | None) -> None:
    finding = find_one("milter-greylist", {**DEBIAN, **PACKAGE, FILE: CONF + line})
    assert finding.settings == ({"timeouts": {"command": seconds}} if seconds else {})
