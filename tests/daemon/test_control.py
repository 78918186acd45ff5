"""The control socket of a real daemon: who may what, and what no client can do to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from postmill.daemon.control import MOST_CLIENTS, PATIENCE
from postmill.daemon.requests import MOST_BYTES
from postmill.testing.mta import FakeMta
from tests.daemon.running import Daemon, environment
from tests.interop.postfix import wait_until
from tests.processes import open_files

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
DEAD = {"milter": {"socket": "unix:/nonexistent", "mode": "off"}}
NOBODY = 65534


@pytest.fixture
def daemon() -> Generator[Daemon, None, None]:
    daemon = Daemon(DEAD)
    yield daemon
    daemon.__exit__()


def connect(daemon: Daemon) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(daemon.directory / "control.sock"))
    return sock


def lines(sock: socket.socket, count: int) -> list[dict[str, Any]]:
    """So many answers."""
    data = b""
    while data.count(b"\n") < count:
        more = sock.recv(65536)
        assert more, f"closed after {data!r}"
        data += more
    return [json.loads(line) for line in data.splitlines()]


def serves(daemon: Daemon) -> bool:
    with FakeMta(daemon.endpoint) as mta:
        mta.negotiate()
        mta.quit()
    return True


# -- the protocol ---------------------------------------------------------------------------------------


def test_one_connection_takes_many_requests_in_their_order(daemon: Daemon) -> None:
    daemon.start()
    with connect(daemon) as sock:
        sock.sendall(b'{"version": 1, "command": "status"}\n{"command": "disable", "milter": "x"}\n{"com')
        status, refused = lines(sock, 2)
        assert (status["version"], status["ok"], status["result"]["pid"]) == (1, True, daemon.pid)
        assert refused["error"] == {"status": 64, "text": "there is no milter 'x'; known here: milter"}
        sock.sendall(b'mand": "status"}\n')
        assert lines(sock, 1)[0]["ok"]


def test_a_client_that_will_not_ask_more_still_gets_its_answer(daemon: Daemon) -> None:
    """As with `echo … | nc -NU`."""
    daemon.start()
    with connect(daemon) as sock:
        sock.sendall(b'{"command": "status"}\n')
        sock.shutdown(socket.SHUT_WR)
        assert lines(sock, 1)[0]["ok"]
        assert sock.recv(1) == b""


GARBAGE = {
    "not JSON": b"GET / HTTP/1.0\r\n",
    "no object": b"[1, 2]\n",
    "not UTF-8": b"\xff\xfe\0\n",
    "deep": b"[" * (MOST_BYTES - 1) + b"\n",
    "an empty line": b"\n",
    "a number too long to be read": b'{"command": ' + b"9" * 4000 + b"}\n",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_gets_an_answer_and_the_connection_goes_on(daemon: Daemon, data: bytes) -> None:
    daemon.start()
    with connect(daemon) as sock:
        sock.sendall(data)
        (answer,) = lines(sock, 1)
        assert (answer["ok"], answer["error"]["status"]) == (False, 64)
        sock.sendall(b'{"command": "status"}\n')
        assert lines(sock, 1)[0]["ok"]
    assert "defect" not in daemon.log
    assert "Traceback" not in daemon.log


def test_a_line_without_end_is_cut_off(daemon: Daemon) -> None:
    daemon.start()
    with connect(daemon) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"x" * (MOST_BYTES * 4))
        (answer,) = lines(sock, 1)
        assert answer["error"]["text"] == f"a line may have at most {MOST_BYTES} bytes"
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
    assert serves(daemon)


def test_a_flood_of_requests_is_answered_one_by_one(daemon: Daemon) -> None:
    daemon.start()
    count = 3000
    with connect(daemon) as sock:
        sender = threading.Thread(target=sock.sendall, args=(b'{"command":"nothing"}\n' * count,))
        sender.start()
        assert {answer["error"]["status"] for answer in lines(sock, count)} == {64}
        sender.join()
    assert "defect" not in daemon.log


# -- slow and many clients --------------------------------------------------------------------------------


def test_slow_clients_block_nobody_and_are_dropped(daemon: Daemon) -> None:
    daemon.start()
    before = descriptors(daemon)
    began = time.monotonic()
    with connect(daemon) as silent, connect(daemon) as half, connect(daemon) as deaf:
        half.sendall(b'{"command": ')
        with contextlib.suppress(BlockingIOError):  # it asks and asks and never reads
            deaf.setblocking(False)
            for _ in range(100_000):
                deaf.send(b'{"command":"nothing"}\n' * 50)
        for _ in range(3):
            assert daemon.ask("status")["pid"] == daemon.pid
        assert serves(daemon)
        assert silent.recv(1) == b""
        assert half.recv(1) == b""
        wait_until(lambda: descriptors(daemon) <= before, "the end of the one that never reads", 20)
    assert time.monotonic() - began > PATIENCE / 2, "they were given time"
    assert daemon.ask("status")["pid"] == daemon.pid


def descriptors(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_clients_that_leave_while_they_are_served_leave_nothing_behind(daemon: Daemon) -> None:
    daemon.start()
    daemon.ask("status")
    before = descriptors(daemon)
    for _ in range(100):
        with connect(daemon) as sock:
            sock.sendall(b'{"command": "status"}\n')
    daemon.ask("status")
    wait_until(lambda: descriptors(daemon) <= before, "the end of the last connection", 20)
    assert "defect" not in daemon.log


def test_many_clients_at_once(daemon: Daemon) -> None:
    daemon.manager["workers"] = 2
    daemon.start()
    results: list[int] = []

    def look() -> None:
        results.extend(daemon.ask("status")["pid"] for _ in range(5))

    clients = [threading.Thread(target=look) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert results == [daemon.pid] * 100


# -- who may what -----------------------------------------------------------------------------------------


def as_user(uid: int, gid: int, *groups: int) -> Sequence[str]:
    others = [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", *others]


def run(who: Sequence[str], daemon: Daemon, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that talks to the daemon as somebody."""
    return subprocess.run(
        [*who, sys.executable, "-m", "postmill", *command, "--socket", daemon.control["socket"]],
        env=environment(NO_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@as_root
def test_mode_and_group_say_who_may_look(daemon: Daemon) -> None:
    daemon.control |= {"socket_group": "daemon"}
    daemon.start()
    status = (daemon.directory / "control.sock").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, 1)
    assert run(as_user(NOBODY, 1), daemon, "status").returncode == 0
    refused = run(as_user(NOBODY, NOBODY), daemon, "status")
    assert refused.returncode == 69
    assert "Permission denied; control.socket_mode and control.socket_group say who may" in refused.stderr


CHANGES = (
    ("enable", "milter"),
    ("disable", "milter"),
    ("mode", "milter", "evaluate"),
    ("log-level", "debug"),
    ("drain",),
    ("stop",),
    ("stop", "--now"),
)


@as_root
def test_others_may_only_look(daemon: Daemon) -> None:
    daemon.control |= {"socket_mode": "0666", "operators": ["daemon", "%sys"]}
    daemon.start()
    daemon.config.chmod(0o644)
    nobody = as_user(NOBODY, NOBODY)
    assert run(nobody, daemon, "status").returncode == 0
    for command in (*CHANGES, ("reload", "-c", str(daemon.config))):
        refused = run(nobody, daemon, *command)
        assert refused.returncode == 77, command
        assert "user nobody may only look; control.operators says who may do more" in refused.stderr
    assert "asks for" not in daemon.log
    assert "nobody (process" in daemon.log
    assert daemon.ask("status")["state"] == "serving"
    assert daemon.milter("milter")["mode"] == "off"
    assert serves(daemon)


@as_root
@pytest.mark.parametrize(
    ("who", "operators", "may"),
    [
        (as_user(1, NOBODY), ["daemon"], True),
        (as_user(1, NOBODY), ["1"], True),
        (as_user(2, 3), ["%sys"], True),
        (as_user(2, NOBODY, 3, 5), ["%sys"], True),
        (as_user(2, NOBODY, 4, 3), ["%3"], True),
        (as_user(2, NOBODY), ["daemon", "%sys"], False),
        (as_user(2, 1), ["daemon"], False),
        (as_user(1, NOBODY), ["%daemon"], False),
        (as_user(3, NOBODY, *range(1000, 1600), 3), ["%3"], False),
    ],
    ids=[
        *("user", "user by number", "group", "other group", "group by number", "neither"),
        *(
            "a user's name is no group",
            "a group's name is no user",
            "more groups than the kernel tells at once",
        ),
    ],
)
def test_operators_are_users_and_groups(
    daemon: Daemon, who: Sequence[str], operators: list[str], may: bool
) -> None:
    daemon.control |= {"socket_mode": "0666", "operators": operators}
    daemon.start()
    done = run(who, daemon, "log-level", "debug", "--json")
    assert done.returncode == (0 if may else 77), done.stderr
    assert ("level" if may else "error") in json.loads(done.stdout)
    assert ("asks for: log-level debug" in daemon.log) == may


@as_root
def test_the_user_that_the_daemon_became_may_change_things(daemon: Daemon) -> None:
    daemon.control["socket_mode"] = "0666"
    daemon.arguments = ("--user", "daemon")
    daemon.start()
    assert daemon.ask("status")["user"] == "daemon"
    assert run(as_user(1, NOBODY), daemon, "enable", "milter").returncode == 0
    assert "daemon (process" in daemon.log
    assert run(as_user(2, NOBODY), daemon, "enable", "milter").returncode == 77


@as_root
def test_lookers_cannot_keep_operators_out(daemon: Daemon) -> None:
    """They have their own share of connections."""
    daemon.control["socket_mode"] = "0666"
    daemon.start()
    hold = (
        "import socket, sys\n"
        f"socks = [socket.socket(socket.AF_UNIX) for _ in range({MOST_CLIENTS + 5})]\n"
        "for sock in socks: sock.connect(sys.argv[1])\n"
        "print(socks[-1].recv(999).decode(), end='', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [*as_user(NOBODY, NOBODY), sys.executable, "-c", hold, str(daemon.directory / "control.sock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"too many connections" in process.stdout.readline()
        assert daemon.ask("log-level", level="debug")["level"] == "debug"
        assert process.stdin is not None
        process.stdin.close()


@as_root
def test_operators_change_with_a_reload(daemon: Daemon) -> None:
    daemon.control["socket_mode"] = "0666"
    daemon.start()
    who = as_user(1, 1)
    assert run(who, daemon, "log-level", "debug").returncode == 77
    daemon.control["operators"] = ["daemon", "no-such-user"]
    done = daemon.reload()
    assert done.returncode == 0
    assert "restart" not in done.stdout
    assert run(who, daemon, "log-level", "debug").returncode == 0
    daemon.wait_log("control.operators: there is no account 'no-such-user' on this machine; it is left out")


# -- when there is no socket ------------------------------------------------------------------------------


def test_mail_goes_on_without_a_control_socket(daemon: Daemon) -> None:
    missing = daemon.directory / "missing"
    daemon.control["socket"] = f"unix:{missing}/control.sock"
    daemon.start()
    assert (
        f"error: no control socket, `postmill status` and its like will not work: cannot listen on unix:{missing}"
        in daemon.log
    )
    assert serves(daemon)
    refused = daemon.run("status")
    assert refused.returncode == 69
    assert "is it running?" in refused.stderr
    missing.mkdir()
    done = daemon.reload()  # by the pid file
    assert (done.returncode, "restart" in done.stdout) == (0, False), done.stderr
    assert daemon.ask("status")["pid"] == daemon.pid


def test_a_socket_in_use_is_left_to_who_has_it(daemon: Daemon) -> None:
    daemon.start()
    other = Daemon(DEAD)
    other.control = daemon.control
    with other:
        assert "no control socket" in other.log
        assert "another process listens there" in other.log
        assert serves(other)
        assert daemon.ask("status")["pid"] == daemon.pid
    assert daemon.ask("status")["pid"] == daemon.pid, "nor is it taken away at the end"


@as_root
def test_a_group_that_is_missing_is_named(daemon: Daemon) -> None:
    daemon.control["socket_group"] = "no-such-group"
    daemon.start()
    assert (
        "there is no group 'no-such-group' for the socket; create it or change control.socket_group"
        in daemon.log
    )
    assert serves(daemon)
    assert [path.name for path in daemon.directory.iterdir() if path.is_socket()] == ["mta.sock"]


def test_what_is_no_socket_is_left_alone(daemon: Daemon) -> None:
    file = daemon.directory / "control.sock"
    file.write_text("precious")
    daemon.start()
    assert "there is something that is no socket" in daemon.log
    assert serves(daemon)
    daemon.stop()
    assert file.read_text() == "precious"


def test_none_is_wanted(daemon: Daemon) -> None:
    daemon.control["socket"] = ""
    daemon.start()
    assert "control" not in daemon.log
    refused = daemon.run("status")
    assert (refused.returncode, "control.socket is empty" in refused.stderr) == (69, True)
    assert daemon.reload().returncode == 0, "by the pid file"


def test_the_socket_takes_a_restart_to_move(daemon: Daemon) -> None:
    daemon.start()
    daemon.control = {"socket": f"unix:{daemon.directory}/other.sock", "socket_mode": "0600"}
    done = daemon.reload()
    assert done.stdout.rstrip().endswith("only after a restart: control.socket, control.socket_mode"), (
        done.stderr
    )
    assert (daemon.directory / "control.sock").exists()
    daemon.stop()
    assert not (daemon.directory / "control.sock").exists()
    daemon.start()
    assert daemon.ask("status")["state"] == "serving"


@as_root
def test_a_daemon_that_was_never_root(daemon: Daemon) -> None:
    shutil.chown(daemon.directory, NOBODY, NOBODY)
    daemon.prefix = as_user(NOBODY, NOBODY)
    daemon.start()
    assert daemon.ask("disable", milter="milter")["mode"] == "off"
    assert run(as_user(NOBODY, NOBODY), daemon, "enable", "milter").returncode == 0
    assert Path(daemon.directory / "control.sock").owner() == "nobody"
    assert daemon.run("stop").returncode == 0
    assert daemon.wait() == 0
    assert not (daemon.directory / "control.sock").exists()


def test_workers_do_not_hold_what_is_the_parents(daemon: Daemon) -> None:
    """A client hears of its end although workers were started while it was connected."""
    daemon.start()
    with connect(daemon) as sock:
        sock.sendall(b'{"command": "enable", "milter": "milter"}\n')
        lines(sock, 1)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    wait_until(lambda: len(daemon.workers) == 1, "the end of the old worker", 20)
    (worker,) = daemon.workers
    unix = Path("/proc/net/unix").read_text().splitlines()
    bound = f" {daemon.directory}/control.sock"  # and what it was called before it was put in place
    inodes = {line.split()[6] for line in unix if bound in line}
    assert inodes
    assert not {f"socket:[{inode}]" for inode in inodes}.intersection(open_files(worker).values())
