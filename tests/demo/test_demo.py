"""The demo as a user runs it: a subprocess, its output, its exit status, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.demo import install, postfix
from postmill.demo.filters import GTUBE, MARK
from postmill.demo.samples import SAMPLES
from postmill.errors import UnavailableError

DEMO = (sys.executable, "-m", "postmill", "demo")
WITHIN = 60.0
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """Whatever the terminal of the one who tests is like."""
    plain = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")}
    return plain | {"PYTHONUNBUFFERED": "1"}


def once(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--once", *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(),
    )


def blocks(output: str) -> dict[str, str]:
    """The parts of the output by their headings."""
    parts = re.split(r"^(\S.*?) ─{3,}$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def processes(output: str) -> list[int]:
    return [int(pid) for pid in re.findall(r"process (\d+)", output)]


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected by somebody's init does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def directory(output: str) -> Path:
    found = re.search(r"in (/\S+postmill-demo-\S+)", output)
    assert found, output
    return Path(found[1])


def check_samples(output: str) -> None:
    parts = blocks(output)
    for number, sample in enumerate(SAMPLES, 1):
        part = parts[f"{number}  {sample.title}"]
        rows = {line.split()[0]: line for line in part.splitlines() if line.strip()}
        assert {"spam", "virus", "tagger"} <= set(rows), "who was asked"
        if sample.refused_by:
            assert "550 5.7.1" in rows[sample.refused_by], "who said what"
            assert re.search(rf"^Refused at end-of-message by {sample.refused_by}, [\d.]+ ms", part, re.M)
        else:
            assert re.search(r"^Delivered, [\d.]+ ms after MAIL: /\S+/Maildir/new/\S+$", part, re.M)
            assert re.search(r"^virus( +-){5} +\d+\.\d continue", part, re.M), "in how many milliseconds"
        assert ("add-header" in rows["tagger"]) == (MARK.decode() in part) == sample.marked
    assert f"{len(SAMPLES)} of {len(SAMPLES)} sample mails fared as expected" in parts["Summary"]


def timeless(output: str) -> str:
    """Output without its milliseconds, and without the blanks and lines that depend on their width."""
    return re.sub(r"[ ─]+", " ", re.sub(r"\d+\.\d\b(?!\.)", "N", output)).replace(" \n", "\n")


@pytest.fixture(scope="module")
def output() -> str:
    """What one run prints that ends well."""
    done = once()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_once(output: str) -> None:
    check_samples(output)
    assert "no SpamAssassin and no ClamAV" in output
    assert "Ctrl-C" not in output


def test_nothing_stays_behind(output: str) -> None:
    assert len(processes(output)) == 4
    assert [pid for pid in processes(output) if alive(pid)] == []
    assert not directory(output).exists()


@pytest.mark.parametrize("page", ["README.md", "docs/demo.md"])
def test_pages_show_what_is_printed(page: str, output: str) -> None:
    shown = re.findall(r"^```text\n(\d  .*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) == 1
    assert timeless(shown[0]) in timeless(output)


def test_a_directory_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "new" / "here"
    assert once("--directory", str(kept)).returncode == 0
    messages = [file.read_text() for file in (kept / "Maildir" / "new").iterdir()]
    assert len(messages) == 2
    assert sum(f"\n{MARK.decode()}: from outside, example.com\n" in message for message in messages) == 1
    assert '"message"' in (kept / "postmill.log").read_text()
    assert once("--directory", str(kept)).returncode == 0, "a second time in the same place"
    assert len(list((kept / "Maildir" / "new").iterdir())) == 4


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


@dataclass
class Running:
    """A demo that stays up."""

    process: subprocess.Popen[str]
    file: Path

    @property
    def output(self) -> str:
        return self.file.read_text()

    @property
    def port(self) -> int:
        return int(re.findall(r"127\.0\.0\.1:(\d+)", self.output)[0])

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + WITHIN
        while self.output.count(text) < times:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)


@contextmanager
def running(*options: str) -> Iterator[Running]:
    file = Path(f"/tmp/pm-demo-{os.getpid()}-{time.monotonic_ns()}")
    with file.open("w") as stream:
        process = subprocess.Popen(
            [*DEMO, *options], stdout=stream, stderr=stream, text=True, env=environment()
        )
        demo = Running(process, file)
        try:
            demo.wait_for("Ctrl-C ends everything")
            yield demo
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(WITHIN)
            file.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_and_a_signal_ends_it(number: signal.Signals) -> None:
    with running() as demo:
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.sendmail("me@example.com", "you@example.org", "Subject: mine\n\nHello!\n")
        demo.wait_for("5  a mail ")
        demo.wait_for("<me@example.com> to <you@example.org>")
        demo.wait_for("It now has the header", times=2)
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
        demo.wait_for("5  a mail")


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
        demo.wait_for("(evaluated: without effect)")


def test_two_at_the_same_time() -> None:
    with running() as first:
        second = once()
        assert second.returncode == 0
        check_samples(second.stdout)
        assert directory(first.output) != directory(second.stdout)


def accepted(port: int) -> bool:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo()
        return smtp.mail("me@example.com")[0] == 250


def test_a_filter_that_is_lost_comes_back() -> None:
    with running() as demo:
        virus = re.search(r"virus\.sock, process (\d+)", demo.output)
        assert virus
        os.kill(int(virus[1]), signal.SIGTERM)
        demo.wait_for("virus has ended")
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.ehlo()
            assert smtp.mail("me@example.com")[0] == 451
        demo.wait_for("Tempfail at connect by virus")
        demo.wait_for("virus is back, process ")
        deadline = time.monotonic() + WITHIN
        while not accepted(demo.port):
            assert time.monotonic() < deadline, demo.output
            time.sleep(0.1)


def test_postmill_itself_is_missed() -> None:
    with running() as demo:
        found = re.search(r"postmill\.sock, process (\d+)", demo.output)
        assert found
        os.kill(int(found[1]), signal.SIGTERM)
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


@pytest.fixture
def real_postfix() -> None:
    if os.geteuid() != 0 or not postfix.MASTER.exists():
        pytest.skip("needs Postfix installed and root")


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_with_postfix() -> None:
    done = once("--mta", "postfix")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a private real Postfix" in done.stdout
    check_samples(done.stdout)
    assert not directory(done.stdout).exists()


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_postfix_cannot_deliver_to_a_closed_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = once("--mta", "postfix", "--directory", str(tmp_path))
    assert done.returncode == UnavailableError.exit_status
    assert "cannot search" in done.stderr


@pytest.mark.interop
@pytest.mark.usefixtures("real_postfix")
def test_postfix_ends_with_the_demo() -> None:
    with running("--mta", "postfix") as demo:
        masters = [
            int(pid)
            for file in Path(directory(demo.output)).glob("postfix/spool/pid/master.pid")
            for pid in file.read_text().split()
        ]
        assert len(masters) == 1
        with smtplib.SMTP("127.0.0.1", demo.port, timeout=20) as smtp:
            smtp.sendmail("me@example.com", "anybody@example.net", "Subject: mine\n\nHello!\n")
        demo.wait_for("5  a mail ")
        demo.wait_for("It now has the header", times=2)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(WITHIN) == 0
        assert not any(alive(pid) for pid in masters)
