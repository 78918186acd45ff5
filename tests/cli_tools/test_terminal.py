"""What only a terminal shows: the progress bar of a long run, and colours without being asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.script import Default, Delay, Rule, Script


def on_terminal(*args: str, **environment: str) -> tuple[int, str]:
    """Run postmill with a terminal for its output; status, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "postmill.cli", *args]
    given = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=given)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=30), shown.decode()


def test_a_long_run_has_a_progress_bar() -> None:
    with ScriptedChild(Script(rules=[Rule("M", (Delay(0.01), Default()))])) as child:
        status, shown = on_terminal("send", str(child.endpoint), "-n", "300", "-c", "20")
        assert status == 0
        assert "/300" in shown
        assert "sessions: 300\r\n" in shown
        short = on_terminal("send", str(child.endpoint), "-n", "3")[1]
        assert "/3 " not in short


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(environment: dict[str, str], coloured: bool) -> None:
    with ScriptedChild() as child:
        shown = on_terminal("send", str(child.endpoint), **environment)[1]
    assert "accept" in shown
    assert ("\x1b[32m" in shown) == coloured
