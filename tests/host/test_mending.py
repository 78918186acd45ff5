"""Running the doctor's commands."""

from __future__ import annotations

import pytest

from postmill.host.diagnosis import Diagnosis, Level, worst
from postmill.host.mending import fixes, mend


def ailing(*command: str, safe: bool = True) -> Diagnosis:
    return Diagnosis("some", Level.ERROR, "it ails", "", command, safe)


def test_only_what_is_safe_and_each_once() -> None:
    found = [ailing("true"), ailing("false", safe=False), ailing(), ailing("true"), ailing("ls", "-l")]
    assert [one.command for one in fixes(found)] == [("true",), ("ls", "-l")]


def test_what_comes_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = mend(ailing("sh", "-c", "echo out; echo err >&2; exit 3"))
    assert (done.status, done.output) == (3, "out\nerr\n")
    assert done.shell == "sh -c 'echo out; echo err >&2; exit 3'"
    missing = mend(ailing("no-such-program"))
    assert (missing.status, missing.output) == (127, "cannot be run: No such file or directory")


def test_postmill_is_this_very_program() -> None:
    done = mend(ailing("postmill", "--version"))
    assert (done.status, done.output.split()[0]) == (0, "postmill")


def test_levels_and_exit_statuses() -> None:
    assert [level.status for level in Level] == [0, 0, 1, 2]
    assert worst([]) == Level.OK
    assert worst([ailing(), Diagnosis("some", Level.NOTE, "")]) == Level.ERROR
