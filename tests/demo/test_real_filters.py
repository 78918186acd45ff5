"""The demo with real ClamAV, SpamAssassin and Postfix, as root and as an ordinary user."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
import time
from pathlib import Path

import pytest

from postmill.demo import postfix
from postmill.demo.filters import GTUBE
from postmill.demo.scanner import find
from postmill.errors import UnavailableError
from tests.demo.run import (
    DEMO,
    REAL,
    WITHIN,
    check_samples,
    directory,
    environment,
    once,
    process,
    processes,
    running,
)
from tests.processes import alive, command_lines, session

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not (find("clamd") and find("spamd")), reason="needs clamd and spamd installed"),
]


def timeless(output: str) -> str:
    """Output without its milliseconds, and without the blanks and lines that depend on their width."""
    return re.sub(r"[ ─]+", " ", re.sub(r"\d+\.\d\b(?!\.)", "N", output)).replace(" \n", "\n")


@pytest.fixture(scope="module")
def output() -> str:
    """What one run prints that ends well."""
    done = once(real=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_once(output: str) -> None:
    assert output.startswith("Starting clamd and spamd; that takes a few seconds.\n")
    check_samples(output, REAL)
    assert "stands in" not in output


def test_nothing_stays_behind(output: str) -> None:
    assert len(processes(output)) == 4
    assert [pid for pid in processes(output) if session(pid)] == []
    assert not directory(output).exists()


@pytest.mark.parametrize("page", ["README.md", "docs/demo.md"])
def test_pages_show_what_is_printed(page: str, output: str) -> None:
    shown = re.findall(r"^```text\n(\d  .*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) == 1
    assert timeless(shown[0]) in timeless(output)


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_scanners_are_not_roots() -> None:
    with running(real=True) as demo:
        for program in ("clamd", "spamd"):
            assert owner(process(demo.output, program)) == pwd.getpwnam("nobody").pw_uid


@pytest.mark.parametrize(("program", "filter_name"), [("clamd", "clamav"), ("spamd", "spamassassin")])
def test_a_scanner_that_is_lost_comes_back(program: str, filter_name: str) -> None:
    with running(real=True) as demo:
        lost = process(demo.output, program)
        os.kill(lost, signal.SIGKILL)
        demo.wait_for(f"{program} has ended")
        deadline = time.monotonic() + WITHIN
        while session(lost):  # its children
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=60) as smtp:
            smtp.sendmail("me@example.com", "you@example.org", "Subject: mine\n\nHello!\n")
        demo.wait_for(f"{program} is back, process ")
        demo.wait_for("7  a mail")
        passed = re.compile(rf"7  a mail.*^{filter_name} .* (accept|continue)", re.MULTILINE | re.DOTALL)
        deadline = time.monotonic() + WITHIN
        while not passed.search(demo.output):
            assert time.monotonic() < deadline, "it did not wait for it"
            time.sleep(0.02)


def test_nothing_is_left_of_a_demo_that_is_killed() -> None:
    with running(real=True) as demo:
        place, started = directory(demo.output), processes(demo.output)
        assert process(demo.output, "clamd") in started
        demo.process.kill()
        deadline = time.monotonic() + WITHIN
        while left := [pid for leader in started for pid in session(leader)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)
    shutil.rmtree(place)


def test_evaluation_of_a_filter() -> None:
    with running(real=True) as demo:
        found = re.search(r"^configuration +(\S+) \(after a change: kill -HUP (\d+)\)", demo.output, re.M)
        assert found
        config, log = Path(found[1]), directory(demo.output) / "postmill.log"
        use = 'use = "spamassassin"\n'
        config.write_text(config.read_text().replace(use, use + 'mode = "evaluate"\n'))
        os.kill(int(found[2]), signal.SIGHUP)
        deadline = time.monotonic() + WITHIN
        while "reloaded" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=60) as smtp:
            smtp.sendmail("me@example.com", "you@example.org", b"Subject: spam\n\n" + GTUBE + b"\n")
        demo.wait_for("without effect: 550 5.7.1 ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_they_start(number: signal.Signals, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, text=True, env=environment(real=True) | {"TMPDIR": str(tmp_path)}
    )
    assert demo.stdout is not None
    assert demo.stdout.readline().startswith("Starting clamd and spamd")
    time.sleep(0.3)
    demo.send_signal(number)
    assert "What runs" not in demo.communicate(timeout=WITHIN)[0]
    assert demo.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
    assert [line for line in command_lines() if str(tmp_path) in line] == []


@pytest.fixture
def real_postfix() -> None:
    if os.geteuid() != 0 or not postfix.MASTER.exists():
        pytest.skip("needs Postfix installed and root")


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_with_postfix() -> None:
    done = once("--mta", "postfix", real=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a private real Postfix" in done.stdout
    check_samples(done.stdout, REAL)
    assert not directory(done.stdout).exists()


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_postfix_cannot_deliver_to_a_closed_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = once("--mta", "postfix", "--directory", str(tmp_path), real=True)
    assert done.returncode == UnavailableError.exit_status
    assert "cannot search" in done.stderr


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_postfix_ends_with_the_demo() -> None:
    with running("--mta", "postfix", real=True) as demo:
        masters = [
            int(pid)
            for file in Path(directory(demo.output)).glob("postfix/spool/pid/master.pid")
            for pid in file.read_text().split()
        ]
        assert len(masters) == 1
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.sendmail("me@example.com", "anybody@example.net", "Subject: mine\n\nHello!\n")
        demo.wait_for("7  a mail ")
        demo.wait_for("from outside, example.com", times=2)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(WITHIN) == 0
        assert not any(alive(pid) for pid in masters)
