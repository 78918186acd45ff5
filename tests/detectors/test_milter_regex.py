"""milter-regex: one option, or what is built in."""

from __future__ import annotations

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, rc_script, socket_of, unit

UNIT: Files = {
    **unit("milter-regex", "ExecStart=/usr/sbin/milter-regex -c /etc/milter-regex.conf -u milter-regex"),
    "/usr/sbin/milter-regex": PROGRAM,
}
SOCKET = "unix:/var/spool/milter-regex/sock"

MACHINES = [
    *(
        Example(
            "milter-regex",
            platform,
            UNIT,
            SOCKET,
            "built-in default of /usr/sbin/milter-regex",
            f"{WANTS}/milter-regex.service",
        )
        for platform in (Platform.DEBIAN, Platform.REDHAT)
    ),
    Example(
        "milter-regex",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/milterregex",
                "milterregex",
                "/usr/local/libexec/milter-regex",
                before=(
                    '[ -z "$milterregex_enable" ] && milterregex_enable="NO"',
                    'rcvar="milterregex_enable"',
                ),
            ),
            "/etc/rc.conf": 'milterregex_enable="YES"\nmilterregex_flags="-p /var/run/regex.sock"\n',
        },
        "unix:/var/run/regex.sock",
        "/etc/rc.conf:2",
        "/etc/rc.conf",
    ),
    Example(
        "milter-regex",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/milter-regex",
                "milterregex",
                "/usr/pkg/sbin/milter-regex",
                before=('rcvar="milterregex"', 'command_args="-u smmsp"'),
            ),
            "/etc/rc.conf": "milterregex=YES\n",
        },
        SOCKET,
        "built-in default of /usr/pkg/sbin/milter-regex",
        "/etc/rc.conf",
    ),
]


def test_an_option_is_stronger() -> None:
    own = unit("milter-regex", "ExecStart=/usr/sbin/milter-regex -p unix:/run/regex.sock -c /x")
    assert socket_of(find_one("milter-regex", {**DEBIAN, **UNIT, **own})) == "unix:/run/regex.sock"
