"""The tools with the names and options of milter-manager's, against each other and against the kit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postmill.cli import milter_test_client, milter_test_server
from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Default, Rule, Script, StopAnswering
from postmill.testing.words import edit, reply
from postmill.wire.codes import Command
from tests.cli_tools.running import program, run

server = milter_test_server.command


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="pm-") as name:
        yield Path(name)


def test_the_server_takes_every_option_of_its_namesake(directory: Path) -> None:
    with ScriptedChild() as child:
        result = run(
            server, "--name=mta", "-s", str(child.endpoint), "--negotiate-version=6", "--connect-host=h.example",
            "--connect-address=inet6:2929@2001:db8::1", "--connect-macro=if_addr:192.0.2.9", "--helo-fqdn=me",
            "--helo-macro={tls_version}:TLSv1.3", "-f", "a@example.com", "--envelope-from-macro=i:Q1",
            "-r", "b@example.org", "-r", "<c@example.org>", "--envelope-recipient-macro={x}:1", "--data-macro=y:2",
            "-h", "X-A: b", "--header=Subject:hi", "--end-of-header-macro={z}:3", "-b", "one\r\n", "--body=two",
            "--end-of-message-macro={w}:a:b", "--unknown=XYZZY", "--authenticated-name=joe",
            "--authenticated-type=PLAIN", "--authenticated-author=jane", "--connection-timeout=5",
            "--reading-timeout=5", "--writing-timeout=5", "--end-of-message-timeout=5", "--color=no",
        )  # fmt: skip
        child.wait_closed()
    assert (result.status, result.lines[0]) == (0, "status: accept"), result
    assert child.letters() == "OCHUMRRTLLLLNBEAAQ"
    seen = {event.code: event for event in child.events}
    assert seen["C"].payload == b"h.example\x006\x0b\x712001:db8::1\0"
    assert (seen["C"].macro("if_addr"), seen["C"].macro("daemon_name")) == (b"192.0.2.9", b"mta")
    assert seen["H"].macro("tls_version") == b"TLSv1.3"
    sender = [seen["M"].macro(name) for name in ("i", "auth_authen", "auth_type", "auth_author")]
    assert sender == [b"Q1", b"joe", b"PLAIN", b"jane"]
    assert (seen["R"].payload, seen["R"].macro("x")) == (b"<c@example.org>\0", b"1")
    assert (seen["T"].macro("y"), seen["N"].macro("z"), seen["E"].macro("w")) == (b"2", b"3", b"a:b")
    headers = [event.payload.split(b"\0")[0] for event in child.events if event.letter == Command.HEADER]
    assert headers == [b"From", b"To", b"X-A", b"Subject"]
    assert seen["B"].payload == b"one\r\ntwo"


def test_the_server_marks_what_changed_in_the_message(directory: Path) -> None:
    mail = directory / "mail"
    mail.write_bytes(b"Subject: old\nX-Kept: 1\n\nbody\n")
    steps = (edit("change-header:1:Subject:new"), edit("add-rcpt:<x@example.org>"), Default())
    with ScriptedChild(Script(rules=[Rule("E", steps)])) as child:
        args = ["-s", str(child.endpoint), "-m", str(mail), "--output-message"]
        plain, coloured = run(server, *args), run(server, *args, "--color")
    assert plain.out.partition("\n\n")[2].splitlines() == [
        "Envelope------------------------",
        "  MAIL FROM:<sender@example.com>",
        "  RCPT TO:<receiver@example.org>",
        "+ RCPT TO:<x@example.org>",
        "Header--------------------------",
        "- Subject: old",
        "+ Subject: new",
        "  X-Kept: 1",
        "Body----------------------------",
        "  ",
        "  body",
    ]
    assert "\x1b[31m- Subject: old\x1b[0m\n\x1b[32m+ Subject: new" in coloured.out


def test_the_server_runs_many_sessions_and_gives_the_verdict() -> None:
    with ScriptedChild(Script(rules=[Rule("M", (reply("tempfail"),), every=2)])) as child:
        many = run(server, "-s", str(child.endpoint), "-t", "8")
        assert "sessions: 8" in many.lines
        assert many.lines[0] == "status: temporary-failure"
        assert run(server, "-s", str(child.endpoint)).status == 0
        refused = run(server, "-s", str(child.endpoint), "-v")
        assert (refused.status, refused.lines[0]) == (11, "status: temporary-failure")
        assert "< tempfail" in refused.err


def test_all_timeouts_of_the_server() -> None:
    with ScriptedChild(Script(rules=[Rule("E", (StopAnswering(),))])) as child:
        result = run(server, "-s", str(child.endpoint), "--all-timeouts", "0.1")
    assert result.status == 75
    assert "BODYEOB: no verdict within 0.1 s" in result.out


def test_help_and_version_of_both() -> None:
    assert "--envelope-recipient-macro" in run(server, "-?").out
    assert run(server, "--version").out.startswith("milter-test-server (postmill) ")
    client = milter_test_client.command
    texts = {run(client, option).out.rstrip() for option in ("-h", "--help", "--help-all", "--help-milter")}
    assert len(texts) == 1
    assert "--max-pending-finished-sessions" in texts.pop()
    assert run(client, "--version").out.startswith("milter-test-client (postmill) ")


def test_the_client_prints_what_the_mta_says(directory: Path) -> None:
    socket = f"unix:{directory}/socket"
    with program(
        "postmill.cli.milter_test_client", "-s", socket, "--unix-socket-mode=0600", "--n-workers=2"
    ) as client:
        assert os.stat(directory / "socket").st_mode & 0o777 == 0o600
        assert FakeMta(socket).deliver().status == "accept"
        brief = client.stop()
    assert "[1] > mail <sender@example.com>\n[1] > rcpt" in brief
    with program(
        "postmill.cli.milter_test_client", "-s", socket, "-v", "--log-path", f"{directory}/log"
    ) as client:
        FakeMta(socket).deliver()
        assert client.stop() == ""
    assert "< continue" in (directory / "log").read_text()
    with program("postmill.cli.milter_test_client", "-s", socket, "--no-report-request") as client:
        FakeMta(socket).deliver()
        assert client.stop() == ""


def test_the_client_goes_to_the_background(directory: Path) -> None:
    socket, pid_file, log = f"unix:{directory}/socket", directory / "pid", directory / "log"
    args = ["-s", socket, "--daemon", "--pid-file", str(pid_file), "--log-path", str(log)]
    command = f"from postmill.cli.milter_test_client import main; import sys; sys.argv[1:] = {args!r}; main()"

    assert subprocess.run([sys.executable, "-c", command], check=True, timeout=30).returncode == 0
    wait_for(lambda: pid_file.exists() and (directory / "socket").exists())
    pid = int(pid_file.read_text())
    try:
        wait_for(lambda: connects(socket))
        assert os.getsid(pid) != os.getsid(0)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not (directory / "socket").exists())
    assert "connection closed (quit)" in log.read_text()


def connects(socket: str) -> bool:
    try:
        return FakeMta(socket).deliver().status == "accept"
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("args", "status", "named"),
    [
        (["-s", "unix:/nonexistent/x"], 69, "cannot listen"),
        (["-s", "nowhere"], 64, "nowhere"),
        (["--unix-socket-mode", "x"], 2, "octal"),
        (["-s", "unix:/nonexistent/x", "--log-path", "/nonexistent/log"], 69, "cannot write"),
        (["-s", "unix:/nonexistent/x", "--syslog", "--syslog-facility", "none"], 2, "no facility"),
    ],
)
def test_faults_of_the_client_are_explained(args: list[str], status: int, named: str) -> None:
    result = run(milter_test_client.command, *args)
    assert result.status == status
    assert named in result.err


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_client_gives_up_privileges(directory: Path) -> None:
    socket = f"unix:{directory}/socket"
    args = ["-s", socket, "-u", "nobody", "--unix-socket-group", "nogroup"]
    with program("postmill.cli.milter_test_client", *args) as client:
        wait_for(lambda: os.stat(f"/proc/{client.process.pid}").st_uid != 0)
        assert os.stat(directory / "socket").st_gid != 0
        assert FakeMta(socket).deliver().status == "accept"
        client.stop()
