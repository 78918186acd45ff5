"""`postmill status`: what people read, the exit status, and what is said when nobody answers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from postmill.cli.status import exit_status
from postmill.cli.status_output import show

NOW = 1_800_000_000.0


def milter(name: str = "spam", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "socket": f"unix:/{name}",
        "mode": "enforce",
        "overridden": None,
        "state": "up",
        "until": None,
        "error": None,
        "links": 2,
        "queued": 0,
        "pool": None,
        "asked": 7,
        "verdicts": {"reject": 1, "continue": 6},
        "errors": {},
        "latency": {},
        **more,
    }


def status(*milters: dict[str, Any], **more: Any) -> dict[str, Any]:
    worker = {"pid": 11, "since": NOW - 50, "state": "serving", "answers": True, "sessions": 3}
    return {
        "time": NOW,
        "postmill": "1.2.3",
        "pid": 10,
        "user": "postmill",
        "state": "serving",
        "started": NOW - 90_000,
        "configuration": {"file": "/etc/p.toml", "since": NOW - 61},
        "listen": ["unix:/a", "inet:1@127.0.0.1"],
        "log_level": {"level": "info", "overridden": None},
        "workers": [worker],
        "sessions": 3,
        "messages": {"accept": 2, "reject": 5},
        "connections": {},
        "milters": [*milters],
        **more,
    }


def shown(found: dict[str, Any], width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(found, console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_the_head() -> None:
    assert shown(status()).splitlines() == [
        "Postmill      1.2.3, process 10 of postmill, up 1 d 1 h, serving",
        "configuration /etc/p.toml, in force for 1 min 1 s",
        "listening on  unix:/a, inet:1@127.0.0.1",
        "workers       1 serving",
        "sessions      3",
        "messages      reject 5, accept 2",
        "log level     info",
    ]


def test_a_row_for_each_milter() -> None:
    late = {"text": "no answer to R in time", "at": NOW - 3}
    text = shown(
        status(
            milter(),
            milter("virus", state="left-alone", until=NOW + 1.5, error=late, errors={"timeout": 4}, queued=1),
            milter("tagger", mode="off", state="off", links=0, asked=0, verdicts={}),
            milter("signer", pool={"idle": 3, "trust": "refused", "why": "it fell silent"}),
            milter("late", state="left-alone", until=NOW - 9, error=late),
        )
    )
    lines = text.splitlines()[8:]
    assert lines == [
        "milter  mode     state                                    links  asked  verdicts              errors",
        "spam    enforce  up                                           2      7  continue 6, reject 1",
        "virus   enforce  left alone for 1.5 s               2, 1 queued      7  continue 6, reject 1  timeout 4",
        "tagger  off      off                                          0      0",
        "signer  enforce  up                                   2, 3 kept      7  continue 6, reject 1",
        "late    enforce  left alone until the next session            2      7  continue 6, reject 1",
        "! virus: no answer to R in time, 3 s ago",
        "  signer: its links are not kept: it fell silent",
        "! late: no answer to R in time, 3 s ago",
    ]


def test_who_changed_what() -> None:
    override = {"by": "alice", "at": NOW - 120, "in_file": "enforce"}
    level = {"level": "debug", "overridden": {"by": "bob", "at": NOW - 5, "in_file": "info"}}
    text = shown(status(milter(mode="off", state="off", overridden=override), log_level=level))
    assert "log level     debug (set by bob 5 s ago; file: info)" in text
    assert "\nspam    off*  off" in text
    assert "\n* spam: off (set by alice 2 min ago; file: enforce)" in text


def test_workers_that_finish_and_workers_that_hang() -> None:
    workers = [
        {"pid": 11, "since": NOW, "state": "serving", "answers": True, "sessions": 3},
        {"pid": 12, "since": NOW, "state": "serving", "answers": False, "sessions": None},
        {"pid": 13, "since": NOW, "state": "finishing", "answers": True, "sessions": 4},
    ]
    text = shown(status(workers=workers, state="draining"))
    assert "workers       2 serving, 1 finishing 4 sessions; process 12 does not answer" in text
    assert "draining" in text


def test_times() -> None:
    latency = {
        "end-of-message": {"count": 3, "p50": 12.3, "p99": 1234.5},
        "mail": {"count": 3, "p50": 0.25, "p99": 9.96},
    }
    lines = shown(status(milter(latency=latency), milter("virus"))).splitlines()
    assert lines[-2:] == ["ms, p50/p99      mail  end-of-message", "spam         0.2/10.0         12/1234"]


def test_a_narrow_terminal_folds_and_cuts_nothing_off() -> None:
    name = "a-milter-with-a-very-long-name"
    found = status(milter(name, state="left-alone", until=NOW, errors={"timeout": 123456}))
    assert "…" not in shown(found, 60)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (status(), 0),
        (status(milter(), milter(state="untried"), milter(state="off")), 0),
        (status(milter(), milter(state="down")), 1),
        (status(milter(state="left-alone")), 1),
        (status(milter(), workers=[{"answers": True}, {"answers": False}]), 1),
    ],
)
def test_the_exit_status(found: dict[str, Any], expected: int) -> None:
    assert exit_status(found) == expected


def postmill(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postmill", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"NO_COLOR": "1", "PATH": "/usr/bin"},
    )


def test_nobody_there(tmp_path: Path) -> None:
    done = postmill("status", "--json", "--socket", f"unix:{tmp_path}/c.sock")
    text = f"cannot reach the daemon on unix:{tmp_path}/c.sock: No such file or directory; is it running?"
    assert (done.returncode, done.stderr) == (69, f"postmill: error: {text}\n")
    assert json.loads(done.stdout) == {"error": {"status": 69, "text": text}}


def test_the_socket_must_be_one(tmp_path: Path) -> None:
    assert postmill("status", "--socket", "inet:8890").returncode == 69
    assert postmill("stop", "--socket", "nonsense").returncode == 64
    done = postmill("stop", "-c", f"{tmp_path}/none.toml")
    assert done.returncode == 78
    assert "cannot be read" in done.stderr
    assert "postmill: error: --socket says without the file where the daemon listens\n" in done.stderr
