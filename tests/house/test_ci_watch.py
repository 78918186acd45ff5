"""The watch of continuous integration: it passes statuses on, and no process gets away from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = Path(__file__).parents[2] / ".ci" / "watch.py"

DAEMON = """
import os, sys, time
reading, writing = os.pipe()
if os.fork():
    os.read(reading, 1)
    sys.exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.environ.clear()
os.write(writing, b"x")
time.sleep({seconds})
"""


def watched(*command: str, grace: float) -> subprocess.CompletedProcess[str]:
    start = f"runpy.run_path({os.fspath(WATCH)!r})['main'](sys.argv[1:], {grace})"
    code = f"import runpy, sys; sys.exit({start})"
    return subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_status_is_the_commands() -> None:
    assert watched("true", grace=5).returncode == 0
    assert watched("sh", "-c", "exit 7", grace=5).returncode == 7
    assert watched("sh", "-c", "kill -TERM $$", grace=5).returncode == 128 + 15


def test_a_daemon_that_stays_is_found_and_ended() -> None:
    done = watched(sys.executable, "-c", DAEMON.format(seconds=50), grace=0.2)
    assert done.returncode == 1
    assert "watch: still running after" in done.stderr
    pid = int(done.stderr.partition("]: ")[2].split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_daemon_that_ends_in_time_is_none() -> None:
    done = watched(sys.executable, "-c", DAEMON.format(seconds=0.3), grace=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_daemon_that_stays_is_ended_after_a_failure_too() -> None:
    fails = DAEMON.format(seconds=50).replace("sys.exit(0)", "sys.exit(3)")
    done = watched(sys.executable, "-c", fails, grace=0.2)
    assert done.returncode == 3
    assert "watch: still running after" in done.stderr
