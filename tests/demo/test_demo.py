"""The demo on a machine without ClamAV and SpamAssassin: its output, its exit status, nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postmill.demo import install
from postmill.demo.filters import GTUBE, MARK
from postmill.demo.scanner import find
from postmill.errors import UnavailableError
from tests.demo.run import (
    DEMO,
    REAL,
    STAND_INS,
    WITHIN,
    check_samples,
    directory,
    environment,
    once,
    process,
    processes,
    running,
)
from tests.processes import alive
from tests.web.visitor import Visitor


@pytest.fixture(scope="module")
def output() -> str:
    """What one run prints that ends well."""
    done = once()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_once(output: str) -> None:
    check_samples(output, STAND_INS)
    for product, package, milter in (("ClamAV", "clamav-daemon", "virus"), ("SpamAssassin", "spamd", "spam")):
        told = f"{product} is not installed (Debian: apt install {package}): the demo's own small milter {milter} "
        assert output.count(told) == 1
    assert "Starting" not in output
    assert "Ctrl-C" not in output


def test_nothing_stays_behind(output: str) -> None:
    assert len(processes(output)) == 4
    assert [pid for pid in processes(output) if alive(pid)] == []
    assert not directory(output).exists()


def test_a_directory_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "new" / "here"
    assert once("--directory", str(kept)).returncode == 0
    messages = [file.read_text() for file in (kept / "Maildir" / "new").iterdir()]
    assert len(messages) == 3
    assert sum(f"\n{MARK.decode()}: from outside, example.com\n" in message for message in messages) == 1
    assert '"message"' in (kept / "postmill.log").read_text()
    assert once("--directory", str(kept)).returncode == 0, "a second time in the same place"
    assert len(list((kept / "Maildir" / "new").iterdir())) == 6


def test_a_long_way_to_the_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = tmp_path / ("far" * 30)
    far.mkdir()
    monkeypatch.setenv("TMPDIR", str(far))
    done = once()
    assert done.returncode == 0, done.stderr
    assert directory(done.stdout).parent == Path("/tmp")


@pytest.mark.parametrize("there", ["Maildir/new/mail", "postmill.toml"])
def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path, there: str) -> None:
    file = tmp_path / there
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("precious")
    done = once("--directory", str(tmp_path))
    assert done.returncode == UnavailableError.exit_status
    assert "give the demo a directory of its own" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with running() as demo:
        done = once("--port", str(demo.port))
    assert done.returncode == UnavailableError.exit_status
    assert re.fullmatch(r"postmill: error: cannot listen on 127.0.0.1:\d+: .*\n", done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_and_a_signal_ends_it(number: signal.Signals) -> None:
    with running() as demo:
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.sendmail("me@example.com", "you@example.org", "Subject: mine\n\nHello!\n")
        demo.wait_for("7  a mail ")
        demo.wait_for("<me@example.com> to <you@example.org>")
        demo.wait_for("from outside, example.com", times=2)
        demo.process.send_signal(number)
        assert demo.process.wait(WITHIN) == 0
        assert [pid for pid in processes(demo.output) if alive(pid)] == []
        assert not directory(demo.output).exists()
        assert "Traceback" not in demo.output


def test_the_advice_it_gives_works() -> None:
    with running() as demo:
        script = re.search(r"^without swaks +(.*)$", demo.output, re.MULTILINE)
        assert script
        subprocess.run(script[1], shell=True, check=True, timeout=30)
        demo.wait_for("7  a mail")


def test_the_dashboard_sends_samples_and_shows_what_became_of_them() -> None:
    with running() as demo:
        found = re.search(
            r"^dashboard +(http://\S+), log in as (\w+) with the password (\w+)$", demo.output, re.M
        )
        assert found
        visitor = Visitor(found[1])
        assert visitor.log_in(found[2], found[3]).status == 303
        token = visitor.get("/samples").token()
        for number, (sample, told) in enumerate(
            {
                "clean": "250 2.0.0",
                "spam": "550 5.7.1",
                "virus": "550 5.7.1",
                "newcomer": "451 4.7.1",
            }.items(),
            7,
        ):
            sent = visitor.post("/samples", {"token": token, "sample": sample})
            assert f"The server said: {told}" in visitor.get(sent.headers["location"]).words
            demo.wait_for(f"{number}  a mail")
        deadline = time.monotonic() + WITHIN
        while "stranger1@newcomer.example" not in (words := visitor.get("/messages").words):
            assert time.monotonic() < deadline, words


def test_a_change_of_the_configuration_takes_effect() -> None:
    with running() as demo:
        found = re.search(r"^configuration +(\S+) \(after a change: kill -HUP (\d+)\)", demo.output, re.M)
        assert found
        config, log = Path(found[1]), directory(demo.output) / "postmill.log"
        config.write_text(config.read_text().replace("[milters.spam]", '[milters.spam]\nmode = "evaluate"'))
        os.kill(int(found[2]), signal.SIGHUP)
        deadline = time.monotonic() + WITHIN
        while "reloaded" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.sendmail("me@example.com", "you@example.org", b"Subject: spam\n\n" + GTUBE + b"\n")
        demo.wait_for("without effect: 550 ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become somebody else")
def test_an_ordinary_user_needs_nothing_of_roots() -> None:
    user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/nonexistent")
    may = subprocess.run([*user, sys.executable, "-c", "import postmill"], capture_output=True, check=False)
    if may.returncode != 0:
        pytest.skip(f"nobody may not run {sys.executable}")
    done = once(real=True, prefix=(*user, "PATH=/usr/bin:/bin"))
    assert (done.returncode, done.stderr) == (0, "")
    check_samples(done.stdout, REAL if find("clamd") and find("spamd") else STAND_INS)
    assert not directory(done.stdout).exists()


def test_two_at_the_same_time() -> None:
    with running() as first:
        second = once()
        assert second.returncode == 0
        check_samples(second.stdout, STAND_INS)
        assert directory(first.output) != directory(second.stdout)


def accepted(port: int) -> bool:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo()
        return smtp.mail("me@example.com")[0] == 250


def test_a_filter_that_is_lost_comes_back() -> None:
    with running() as demo:
        os.kill(process(demo.output, "virus"), signal.SIGTERM)
        demo.wait_for("virus has ended")
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.ehlo()
            assert smtp.mail("me@example.com")[0] == 451
        demo.wait_for("Refused for now at connect by virus")
        demo.wait_for("virus is back, process ")
        deadline = time.monotonic() + WITHIN
        while not accepted(demo.port):
            assert time.monotonic() < deadline, demo.output
            time.sleep(0.1)


def test_postmill_itself_is_missed() -> None:
    with running() as demo:
        os.kill(process(demo.output, "postmill"), signal.SIGTERM)
        assert demo.process.wait(WITHIN) == UnavailableError.exit_status
        assert "postmill: error: Postmill has ended" in demo.output


def test_what_to_install_is_said() -> None:
    program = "import sys; sys.modules['aiosmtpd'] = None; from postmill.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == UnavailableError.exit_status
    assert done.stderr == "postmill: error: the demo needs aiosmtpd: pip install 'postmill[demo]'\n"


def test_an_interrupted_run_tells_so() -> None:
    demo = subprocess.Popen([*DEMO, "--once"], stdout=subprocess.PIPE, text=True, env=environment())
    assert demo.stdout is not None
    while "What runs" not in demo.stdout.readline():
        pass
    demo.send_signal(signal.SIGINT)
    output = demo.communicate(timeout=WITHIN)[0]
    assert demo.returncode == 128 + signal.SIGINT
    assert [pid for pid in processes(output) if alive(pid)] == []


def test_postfix_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="sudo make demo MTA=postfix"):
        install.require_postfix(print)


@pytest.mark.parametrize("works", [True, False])
def test_a_missing_postfix_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    for name in ("apt-get", "debconf-set-selections"):
        script = tmp_path / name
        lines = ["#!/bin/sh", f'echo "{name} $*" >> {tmp_path}/calls', "[ -t 0 ] || cat >> /dev/null"]
        script.write_text("\n".join([*lines, "exit 0" if works else "echo no network >&2; exit 100", ""]))
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(install, "MASTER", tmp_path / "master")
    said: list[str] = []
    if works:
        install.require_postfix(said.append)
        calls = (tmp_path / "calls").read_text().splitlines()
        assert [call.split()[0] for call in calls] == ["debconf-set-selections", "apt-get", "apt-get"]
        assert calls[-1].endswith(" postfix")
    else:
        with pytest.raises(UnavailableError, match="no network"):
            install.require_postfix(said.append)
    assert said == ["Postfix is not installed; installing the Debian package postfix, without configuration."]
