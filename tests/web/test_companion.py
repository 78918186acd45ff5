"""The dashboard beside the daemon: it lives as long as it is wanted, and mail never depends on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.testing.mta import FakeMta
from postmill.testing.plan import SessionPlan
from tests.daemon.running import Daemon, environment
from tests.daemon.test_sockets import LAUNCHER
from tests.interop.postfix import wait_until
from tests.processes import open_files
from tests.web.staging import PASSWORD, Stage, address, hashed, stage
from tests.web.visitor import Visitor


@pytest.fixture
def one() -> Iterator[Stage]:
    with stage() as made:
        yield made


def dashboard_of(daemon: Daemon) -> int:
    """The process of a daemon's dashboard; 0 when there is none."""
    return next((pid for pid in daemon.workers if b"\0web\0" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def mail_passes(daemon: Daemon) -> bool:
    return FakeMta(daemon.endpoint).session(SessionPlan()).error == ""


def test_it_is_started_again_when_it_dies(one: Stage) -> None:
    first = dashboard_of(one.daemon)
    os.kill(first, signal.SIGKILL)
    one.daemon.wait_log("the dashboard ended with status -9; started again in 1 s")
    assert mail_passes(one.daemon)
    url = address(one.daemon, 2)
    assert dashboard_of(one.daemon) not in (0, first)
    assert Visitor(url).log_in("anna").status == 303


def test_a_reload_starts_it_anew_only_when_it_has_to(one: Stage) -> None:
    first = dashboard_of(one.daemon)
    one.daemon.manager["drain_timeout"] = "5s"
    assert one.daemon.reload().returncode == 0
    assert dashboard_of(one.daemon) == first
    one.daemon.tables["web"] = {**one.daemon.tables["web"], "idle_timeout": "5m"}
    assert one.daemon.reload().returncode == 0
    Visitor(address(one.daemon, 2)).log_in("anna")
    second = dashboard_of(one.daemon)
    assert second not in (0, first)
    assert is_gone(first)
    one.daemon.tables["web"] = {"listen": []}
    assert one.daemon.reload().returncode == 0
    wait_until(lambda: is_gone(second), "its end", 20)
    assert dashboard_of(one.daemon) == 0
    assert mail_passes(one.daemon)
    assert "ended with status" not in one.daemon.log


def test_it_ends_with_the_daemon(one: Stage) -> None:
    pid = dashboard_of(one.daemon)
    assert one.daemon.stop() == 0
    assert is_gone(pid)


def test_it_ends_when_the_daemon_is_killed(one: Stage) -> None:
    pid = dashboard_of(one.daemon)
    one.daemon.signal(signal.SIGKILL)
    wait_until(lambda: is_gone(pid), "its end", 20)


def test_it_has_nothing_of_the_daemons(one: Stage) -> None:
    """A socket that it held would keep MTAs waiting for somebody who never answers."""
    theirs = open_files(one.daemon.pid)
    its = {name for fd, name in open_files(dashboard_of(one.daemon)).items() if fd > 2}
    assert {
        name for name in its.intersection(theirs.values()) if name.startswith(("socket:", "pipe:"))
    } == set()


def test_nor_a_socket_that_was_handed_over() -> None:
    daemon = Daemon()
    path = daemon.directory / "handed-over"
    daemon.prefix = [sys.executable, "-c", LAUNCHER, str(path)]
    daemon.tables["web"] = {"listen": ["inet:0@127.0.0.1"], "user": [{"name": "anna", "password": hashed()}]}
    with daemon:
        address(daemon)
        unix = Path("/proc/net/unix").read_text().splitlines()
        inodes = {line.split()[6] for line in unix if line.endswith(f" {path}")}
        held = open_files(dashboard_of(daemon))
        its = {name for fd, name in held.items() if fd < 100}  # the others are the launcher's
        assert inodes
        assert its.isdisjoint(f"socket:[{inode}]" for inode in inodes)


def test_mail_flows_when_it_cannot_start(one: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one.daemon.tables["web"] = {"listen": [f"inet:{port}@127.0.0.1"]}
        assert one.daemon.reload().returncode == 0
        one.daemon.wait_log(f"cannot listen on inet:{port}@127.0.0.1")
        one.daemon.wait_log("the dashboard ended with status 69; started again in 1 s")
        assert mail_passes(one.daemon)
    one.daemon.wait_log(f"dashboard: http://127.0.0.1:{port}/")


def test_a_unix_socket_for_a_proxy(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    web = {"listen": ["inet:0@127.0.0.1", f"unix:{path}"], "socket_mode": "0600", "trusted_proxies": ["unix"]}
    with stage(**web, user_header="X-Remote-User", hosts=["mill.example.org"]) as one:
        assert path.stat().st_mode & 0o777 == 0o600
        assert f", unix:{path}\n" in one.daemon.log
        visitor = Visitor(
            "http://mill.example.org", str(path), X_Remote_User="bert", X_Forwarded_Proto="https"
        )
        page = visitor.get("/")
        assert "bert viewer" in page.words
        assert "strict-transport-security" in page.headers
        assert Visitor(one.url, X_Remote_User="bert").get("/").status == 303, "not over the other one"
        one.daemon.stop()
        assert not path.exists()


def test_by_itself_and_with_tls(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    config = tmp_path / "postmill.toml"
    config.write_text(
        f"""[manager]
listen = ["unix:{tmp_path}/mta.sock"]
[control]
socket = "unix:{tmp_path}/control.sock"
[web]
listen = ["inet:0@127.0.0.1"]
certificate = "{certificate}"
key_file = "{tmp_path}/key.pem"
[[web.user]]
name = "anna"
password = "{hashed()}"
"""
    )
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "postmill", "web", "-c", str(config)],
            stderr=file,
            env=environment(),
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: "dashboard: https://" in log.read_text(), "the dashboard", 20)
        url = log.read_text().rpartition("dashboard: ")[2].split()[0].rstrip("/")
        asked = subprocess.run(
            ["curl", "-sS", "-i", "--cacert", str(certificate), f"{url}/login"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "strict-transport-security: max-age=" in asked.stdout.lower()
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text()


def test_the_hash_of_a_password(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "postmill", "web", "password"],
        input=f"{PASSWORD}\n", env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    from postmill.web.passwords import fits

    assert fits(PASSWORD, done.stdout.strip())
    assert PASSWORD not in done.stdout + done.stderr
