"""rspamd: a worker whose settings are spread over four files; the real dump is compared in test_real_packages."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM, Entry, Link, Text
from tests.detectors.machines import (
    DEBIAN,
    WANTS,
    Example,
    Files,
    find,
    find_one,
    rc_script,
    socket_of,
    unit,
)

CONF = """\
.include "$CONFDIR/common.conf"

options {
    pidfile = "$RUNDIR/rspamd.pid";
    .include "$CONFDIR/options.inc"
}

worker "normal" {
    bind_socket = "localhost:11333";
}

worker "controller" {
    bind_socket = "localhost:11334";
    .include(try=true; priority=1,duplicate=merge) "$LOCAL_CONFDIR/local.d/worker-controller.inc"
}

worker "rspamd_proxy" {
    bind_socket = "localhost:11332";
    .include "$CONFDIR/worker-proxy.inc"
    .include(try=true; priority=1,duplicate=merge) "$LOCAL_CONFDIR/local.d/worker-proxy.inc"
    .include(try=true; priority=10) "$LOCAL_CONFDIR/override.d/worker-proxy.inc"
}
"""
PROXY = """\
# Settings of the proxy
milter = yes; # Enable milter mode
timeout = 120s;
upstream "local" {
  default = yes;
  hosts = "localhost";
}
count = 1;
"""
LOCAL = "/etc/rspamd/local.d/worker-proxy.inc"
OVERRIDE = "/etc/rspamd/override.d/worker-proxy.inc"


def configured(folder: str) -> Files:
    return {
        f"{folder}/rspamd.conf": CONF,
        f"{folder}/worker-proxy.inc": PROXY,
        f"{folder}/common.conf": 'lua = "x.lua"\n.include(try=true) "$LOCAL_CONFDIR/rspamd.conf.local"\n',
        # the password of the controller, which nobody else may read
        f"{folder}/local.d/worker-controller.inc": Text('password = "$2$x";\n', mode=0o600),
    }


PACKAGE: Files = {
    **unit("rspamd", "ExecStart=/usr/bin/rspamd -c /etc/rspamd/rspamd.conf -f", "User=_rspamd"),
    "/usr/bin/rspamd": PROGRAM,
    **configured("/etc/rspamd"),
}

MACHINES = [
    *(
        Example(
            "rspamd",
            platform,
            PACKAGE,
            "inet:11332@localhost",
            "/etc/rspamd/rspamd.conf:18",
            f"{WANTS}/rspamd.service",
        )
        for platform in (Platform.DEBIAN, Platform.REDHAT)
    ),
    Example(
        "rspamd",
        Platform.FREEBSD,
        {
            **rc_script(
                "/usr/local/etc/rc.d/rspamd",
                "rspamd",
                "/usr/local/bin/rspamd",
                ': ${rspamd_enable="NO"}',
                'command_args="-u rspamd -g rspamd ${rspamd_flags}"',
                before=("rcvar=rspamd_enable",),
            ),
            **configured("/usr/local/etc/rspamd"),
            "/etc/rc.conf": "rspamd_enable=YES\n",
        },
        "inet:11332@localhost",
        "/usr/local/etc/rspamd/rspamd.conf:18",
        "/etc/rc.conf",
    ),
    Example(
        "rspamd",
        Platform.PKGSRC,
        {
            **rc_script(
                "/etc/rc.d/rspamd",
                "rspamd",
                "/usr/pkg/bin/rspamd",
                before=("rcvar=$name", 'command_args="-c /usr/pkg/etc/rspamd/rspamd.conf"'),
            ),
            **configured("/usr/pkg/etc/rspamd"),
            "/etc/rc.conf": "rspamd=YES\n",
        },
        "inet:11332@localhost",
        "/usr/pkg/etc/rspamd/rspamd.conf:18",
        "/etc/rc.conf",
    ),
]


@pytest.mark.parametrize(
    ("local", "override", "socket", "source"),
    [
        ('bind_socket = "/var/run/rspamd/milter.sock mode=0666 owner=nobody";', "", "unix:/run/rspamd/milter.sock", f"{LOCAL}:1"),
        ("\nbind_socket = '127.0.0.1:11900'\n", "", "inet:11900@127.0.0.1", f"{LOCAL}:2"),
        ('bind_socket = "*:11900";', "", "inet:11900@127.0.0.1", f"{LOCAL}:1"),
        ('bind_socket = "[::1]:11900";', "", "inet6:11900@::1", f"{LOCAL}:1"),
        ('bind_socket = "*v6:11900";', "", "inet6:11900@::1", f"{LOCAL}:1"),
        ('bind_socket: 10.0.0.1:11900', "", "inet:11900@10.0.0.1", f"{LOCAL}:1"),
        ('bind_socket = "10.0.0.1:1"', 'bind_socket = "10.0.0.2:2"', "inet:2@10.0.0.2", f"{OVERRIDE}:1"),
        ("", '/* x /* y */ z */\n"bind_socket" = <<EOD\n10.0.0.3:3\nEOD\n', "inet:3@10.0.0.3", f"{OVERRIDE}:2"),
    ],
)  # fmt: skip
def test_the_stronger_file_counts(local: str, override: str, socket: str, source: str) -> None:
    finding = find_one("rspamd", {**DEBIAN, **PACKAGE, LOCAL: local, OVERRIDE: override})
    assert (socket_of(finding), str(finding.source), finding.problem) == (socket, source, "")


def test_the_first_of_several_sockets_is_used_and_the_others_told() -> None:
    files = {**DEBIAN, **PACKAGE, LOCAL: 'bind_socket = ["10.0.0.1:1", "/run/x.sock",];'}
    finding = find_one("rspamd", files)
    assert (socket_of(finding), finding.notes) == ("inet:1@10.0.0.1", ("listens at unix:/run/x.sock too",))


@pytest.mark.parametrize(
    ("local", "problem"),
    [
        ("milter = no;", f"{LOCAL}:1 has no milter = yes: it speaks HTTP there"),
        ("enabled = false;", f"{LOCAL}:1 switches the worker off (enabled = false)"),
        ("count = -1;", f"{LOCAL}:1 switches the worker off (count = -1)"),
        ('bind_socket = "nowhere";', f"{LOCAL}:1: 'nowhere' is no socket that Postmill could connect to"),
    ],
)
def test_a_worker_that_is_no_milter_is_not_used(local: str, problem: str) -> None:
    assert find_one("rspamd", {**DEBIAN, **PACKAGE, LOCAL: local}).problem == problem


def test_without_a_proxy_worker_there_is_nothing_to_ask() -> None:
    """The predecessor's configuration failed here."""
    finding = find_one("rspamd", {**DEBIAN, **PACKAGE, "/etc/rspamd/rspamd.conf": 'worker "normal" { }\n'})
    assert finding.problem == "/etc/rspamd/rspamd.conf has no proxy worker"
    gone = {path: one for path, one in {**DEBIAN, **PACKAGE}.items() if not path.endswith("/rspamd.conf")}
    assert find_one("rspamd", gone).problem == "/etc/rspamd/rspamd.conf is missing"


def test_each_proxy_worker_is_a_milter() -> None:
    conf = """
worker "rspamd_proxy" { milter = yes; bind_socket = "127.0.0.1:1" }
worker { type = "rspamd_proxy"; milter = on; bind_socket = "127.0.0.1:2" }
"""
    found = find("rspamd", {**DEBIAN, **PACKAGE, "/etc/rspamd/rspamd.conf": conf})
    assert [(one.name, socket_of(one)) for one in found] == [
        ("rspamd", "inet:1@127.0.0.1"),
        ("rspamd-2", "inet:2@127.0.0.1"),
    ]


def test_systemd_may_open_its_sockets() -> None:
    path = "/etc/systemd/system/rspamd.socket"
    opened: dict[str, Entry] = {
        path: "[Socket]\nListenStream=11334\nListenStream=/run/rspamd/milter.sock\n[Install]\nWantedBy=x\n",
        "/etc/systemd/system/sockets.target.wants/rspamd.socket": Link(path),
        LOCAL: 'bind_socket = "systemd:1";',
    }
    assert socket_of(find_one("rspamd", {**DEBIAN, **PACKAGE, **opened})) == "unix:/run/rspamd/milter.sock"
    opened[LOCAL] = 'bind_socket = "systemd:2";'
    assert not find_one("rspamd", {**DEBIAN, **PACKAGE, **opened}).usable


def test_a_file_that_includes_itself_ends() -> None:
    files = {**DEBIAN, **PACKAGE, LOCAL: f'.include "{LOCAL}"\n.include "{LOCAL}"\n'}
    assert socket_of(find_one("rspamd", files)) == "inet:11332@localhost"
