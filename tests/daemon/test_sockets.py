"""The sockets MTAs connect to: mode and group from the first moment, and who is in the way of whom."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from postmill.testing.mta import FakeMta
from tests.daemon.running import Daemon
from tests.interop.postfix import free_port

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="changing owners and users needs root")
NOBODY = 65534
CONNECT = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1]);"
    "s.sendall(b'\\0\\0\\0\\rO\\0\\0\\0\\6\\0\\0\\1\\xff\\0\\x1f\\xff\\xff'); sys.exit(not s.recv(99))"
)


@pytest.fixture
def daemon() -> Generator[Daemon, None, None]:
    daemon = Daemon()
    yield daemon
    daemon.__exit__()


def serves(endpoint: str) -> bool:
    """Whether somebody answers an offer there."""
    with FakeMta(endpoint) as mta:
        mta.negotiate()
        mta.quit()
    return True


def failure(daemon: Daemon) -> tuple[int, str]:
    """Start a daemon that cannot; its status and its words."""
    daemon.spawn()
    return daemon.wait(), daemon.log


@as_root
def test_mode_and_group_are_there_from_the_first_moment(daemon: Daemon) -> None:
    """A watcher never finds a socket at the path that has another mode, group or no listener behind it."""
    group = grp.getgrgid(NOBODY).gr_name
    daemon.manager |= {"socket_mode": "0660", "socket_group": group, "drain_timeout": "1s"}
    wrong: list[str] = []
    seen = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal seen
        while not stop.is_set():
            try:
                status = os.lstat(daemon.socket)
            except FileNotFoundError:
                continue
            seen += 1
            if (stat.S_IMODE(status.st_mode), status.st_gid) != (0o660, NOBODY):
                wrong.append(oct(status.st_mode))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(3):
            daemon.start()
            assert serves(daemon.endpoint)
            daemon.stop()
        daemon.start()
        kill_all(daemon)  # its socket stays behind
        assert daemon.socket.exists()
        daemon.start()
        assert serves(daemon.endpoint)
    finally:
        stop.set()
        watcher.join()
    assert seen
    assert not wrong
    assert sorted(path.name for path in daemon.directory.iterdir() if path.is_socket()) == [
        "control.sock",
        "mta.sock",
    ]


def kill_all(daemon: Daemon) -> None:
    workers = daemon.workers
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):  # it may have noticed that its parent is gone
            os.kill(pid, signal.SIGKILL)


@as_root
@pytest.mark.parametrize("restarted", ["stopped", "killed"])
def test_the_mta_may_connect_after_a_restart(daemon: Daemon, restarted: str) -> None:
    """What ends in "connect to Milter service unix:…: Permission denied" elsewhere."""
    daemon.manager |= {"socket_group": str(NOBODY)}
    member = ["setpriv", "--reuid=1", f"--regid={NOBODY}", "--clear-groups"]
    stranger = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups"]
    for _ in range(2):
        daemon.start()
        for who, welcome in ((member, True), (stranger, False)):
            command = [*who, sys.executable, "-c", CONNECT, str(daemon.socket)]
            result = subprocess.run(command, capture_output=True, timeout=30, check=False)
            assert (result.returncode == 0) == welcome, result.stderr
        if restarted == "killed":
            kill_all(daemon)
        else:
            daemon.stop()


def test_something_else_in_the_way_is_left_alone(daemon: Daemon) -> None:
    daemon.socket.write_text("precious")
    status, log = failure(daemon)
    assert status == 69
    assert "no socket" in log
    assert daemon.socket.read_text() == "precious"


def test_another_process_keeps_its_socket(daemon: Daemon) -> None:
    daemon.start()
    other = Daemon()
    other.manager["listen"] = [daemon.endpoint]
    try:
        status, log = failure(other)
        assert status == 69
        assert "another process listens" in log
        assert serves(daemon.endpoint)
    finally:
        other.__exit__()


def test_a_missing_group_is_named(daemon: Daemon) -> None:
    daemon.manager["socket_group"] = "no-such-group"
    status, log = failure(daemon)
    assert status == 69
    assert "no-such-group" in log
    assert "manager.socket_group" in log
    assert [path for path in daemon.directory.iterdir() if path.is_socket()] == []


@as_root
def test_no_permission_is_told(daemon: Daemon) -> None:
    daemon.directory.chmod(0o755)
    daemon.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    status, log = failure(daemon)
    assert status == 69
    assert f"cannot listen on {daemon.endpoint}: Permission denied" in log


@pytest.mark.parametrize(("kind", "host"), [("inet", "127.0.0.1"), ("inet6", "::1")])
def test_internet_sockets(daemon: Daemon, kind: str, host: str) -> None:
    endpoint = f"{kind}:{free_port()}@{host}"
    daemon.manager["listen"] = [daemon.endpoint, endpoint]
    for _ in range(2):  # a restart must not find the port taken
        daemon.start()
        assert serves(endpoint)
        assert serves(daemon.endpoint)
        daemon.stop()


LAUNCHER = """
import os, socket, sys
paths, command = sys.argv[1].split(":"), sys.argv[2:]
listeners = [socket.socket(socket.AF_UNIX) for _ in paths]
for listener, path in zip(listeners, paths):
    listener.bind(path)
    listener.listen()
high = [os.dup2(listener.fileno(), 100 + number) for number, listener in enumerate(listeners)]
for number, fd in enumerate(high, 3):
    os.dup2(fd, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(paths)), LISTEN_FDNAMES="a:b")
os.execvp(command[0], command)
"""


def test_sockets_handed_over_by_the_service_manager(daemon: Daemon) -> None:
    """LISTEN_FDS, as sd_listen_fds(3) tells it; what the configuration names is not opened then."""
    paths = [str(daemon.directory / name) for name in ("one", "two")]
    daemon.prefix = [sys.executable, "-c", LAUNCHER, ":".join(paths)]
    daemon.start()
    for _ in range(2):
        assert all(serves(f"unix:{path}") for path in paths)
        assert not daemon.socket.exists()
        assert daemon.reload().returncode == 0
    daemon.stop()
    assert all(Path(path).exists() for path in paths), "they are the service manager's"


def test_sockets_that_are_promised_and_not_there(daemon: Daemon) -> None:
    daemon.prefix = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh"]
    status, log = failure(daemon)
    assert status == 69
    assert "LISTEN_FDS" in log
    assert "Traceback" not in log


def test_sockets_for_another_process_are_not_taken(daemon: Daemon) -> None:
    daemon.environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    daemon.start()
    assert serves(daemon.endpoint)


def test_the_pid_file_comes_and_goes(daemon: Daemon) -> None:
    path = daemon.directory / "own.pid"
    daemon.arguments = ["--pid-file", str(path)]
    daemon.start()
    assert path.read_text() == f"{daemon.pid}\n"
    daemon.manager["pid_file"] = "/nonexistent/elsewhere"
    assert daemon.reload("--pid-file", str(path)).returncode == 0
    assert daemon.stop() == 0
    assert not path.exists()


def test_a_pid_file_that_cannot_be_written_is_an_error(daemon: Daemon) -> None:
    daemon.manager["pid_file"] = "/nonexistent/pid"
    status, log = failure(daemon)
    assert status == 69
    assert "manager.pid_file /nonexistent/pid" in log
    assert not daemon.socket.exists()


@as_root
@pytest.mark.parametrize(
    ("arguments", "group", "groups"),
    [
        (("--user", "nobody"), 65534, {65534}),
        (("--user", "nobody", "--group", "daemon"), 1, {1, 65534}),
        (("--user", "65534", "--group", "1"), 1, {1, 65534}),
    ],
)
def test_it_becomes_another_user(
    daemon: Daemon, arguments: tuple[str, ...], group: int, groups: set[int]
) -> None:
    """Sockets are opened before, so a place only root may write to is fine; every process changes."""
    daemon.directory.chmod(0o755)
    daemon.arguments = arguments
    daemon.start()
    for pid in (daemon.pid, *daemon.workers):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
        assert set(status["Uid"]) == {"65534"}
        assert set(status["Gid"]) == {str(group)}
        assert set(map(int, status["Groups"])) <= groups
        assert int(status["CapEff"][0], 16) == 0
    assert serves(daemon.endpoint)
    assert daemon.reload().returncode == 0
    assert serves(daemon.endpoint)


@pytest.mark.parametrize("arguments", [("--user", "no-such-user"), ("--group", "no-such-group")])
def test_users_and_groups_must_be_there(daemon: Daemon, arguments: tuple[str, ...]) -> None:
    daemon.arguments = arguments
    status, log = failure(daemon)
    assert status == 69
    assert arguments[1] in log


@as_root
def test_only_root_may_become_another_user(daemon: Daemon) -> None:
    shutil.chown(daemon.directory, NOBODY, NOBODY)
    daemon.arguments = ["--user", "daemon"]
    daemon.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    status, log = failure(daemon)
    assert status == 69
    assert "only root may" in log


def test_notifications(daemon: Daemon) -> None:
    """READY, RELOADING with its clock, READY again, STOPPING: sd_notify(3) and Type=notify-reload."""
    address = str(daemon.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        daemon.environment = {"NOTIFY_SOCKET": address}
        daemon.start()
        states = [manager.recv(4096).decode().splitlines()]
        assert "READY=1" in states[0]
        assert f"MAINPID={daemon.pid}" in states[0]
        daemon.reload()
        reloading, ready = (manager.recv(4096).decode().splitlines() for _ in range(2))
        assert reloading[0] == "RELOADING=1"
        assert reloading[1].startswith("MONOTONIC_USEC=")
        assert "READY=1" in ready
        daemon.manager["listen"] = []
        daemon.write()
        daemon.signal(signal.SIGHUP)
        assert manager.recv(4096).decode().startswith("RELOADING=1")
        assert "STATUS=reload refused" in manager.recv(4096).decode()
        daemon.signal(signal.SIGTERM)
        stopping = dict(line.split("=") for line in manager.recv(4096).decode().splitlines())
        assert stopping["STOPPING"] == "1"
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 60_000_000, "more than the drain time-out"


def test_an_abstract_address_for_notifications(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0pm-notify-{os.getpid()}")
        manager.settimeout(20)
        daemon.environment = {"NOTIFY_SOCKET": f"@pm-notify-{os.getpid()}"}
        daemon.start()
        assert manager.recv(4096).startswith(b"READY=1")
