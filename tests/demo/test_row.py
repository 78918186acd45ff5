"""What stands in the row where a program is missing, broken or lost, and that it is kept running."""

from __future__ import annotations

import asyncio
import os
import pwd
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from postmill.demo import keeper, scanner
from postmill.demo.keeper import Keeper
from postmill.demo.processes import running
from postmill.demo.row import Row, kept_row
from postmill.demo.scanner import find
from postmill.errors import UnavailableError
from tests.demo.run import STAND_INS


def program(directory: Path, name: str, *lines: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text("\n".join(("#!/bin/sh", *lines, "")))
    file.chmod(0o755)
    return file


def test_a_program_is_found_in_the_path_and_in_sbin_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{tmp_path}/else")
    assert find("clamd") == ""
    beside = program(tmp_path / "sbin", "clamd")
    assert find("clamd") == str(beside)
    first = program(tmp_path / "bin", "clamd")
    assert find("clamd") == str(first)


def row(directory: Path) -> tuple[Row, list[str]]:
    said: list[str] = []

    async def made() -> Row:
        async with kept_row(directory, said.append) as found:
            return found

    return asyncio.run(made()), said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("echo first; echo no database >&2; exit 1", "clamd did not start (no database)"),
        ("exit 1", "clamd did not start (it said nothing)"),
        ("/bin/sleep 60", "clamd did not answer within 1 s"),
    ],
)
def test_a_milter_stands_in_for_what_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    monkeypatch.setattr(scanner, "START_WITHIN", 1.0)
    monkeypatch.setattr(scanner, "USER", pwd.getpwuid(os.getuid()).pw_name)
    program(tmp_path / "bin", "clamd", line)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    found, said = row(tmp_path)
    assert {duty: member.name for duty, member in found.items()} == STAND_INS
    assert found["virus"].note == f"{reason}: the demo's own small milter virus stands in."
    assert said == ["Starting clamd; that takes a few seconds."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's run as somebody else")
def test_a_milter_stands_in_where_the_other_user_must_not_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    program(tmp_path / "bin", "clamd", "exec /bin/sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    found, _ = row(tmp_path)
    assert found["virus"].note.startswith(
        f"cannot start {tmp_path}/bin/clamd: Permission denied: the demo's own"
    )


def test_without_both_nothing_is_said_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found, said = row(tmp_path)
    assert said == []
    assert [member.name for member in found.values() if member.note] == ["virus", "spam"]


def test_what_does_not_come_back_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "BACK_AFTER", 0.01)
    attempts = 0
    said: list[str] = []

    @asynccontextmanager
    async def begin() -> AsyncIterator[Process]:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            raise UnavailableError("no luck")
        async with running("/bin/sleep", "0.01" if attempts == 1 else "60") as process:
            yield process

    async def kept() -> int:
        async with Keeper(said.append) as keeping:
            pid = await keeping.start("sleeper", begin, "until then we wait")
            while attempts < 3 or len(said) < 3:
                await asyncio.sleep(0.01)
            return pid

    pid = asyncio.run(kept())
    assert not Path(f"/proc/{pid}").exists()
    assert said[0] == "\nsleeper has ended. It comes back in 0 s; until then we wait."
    assert said[1] == "\nsleeper is not back: no luck. It is tried again in 0 s."
    assert said[2].startswith("\nsleeper is back, process ")


def test_the_first_start_fails_aloud() -> None:
    @asynccontextmanager
    async def begin() -> AsyncIterator[Process]:
        raise UnavailableError("no luck")
        yield

    async def kept() -> int:
        async with Keeper(print) as keeping:
            return await keeping.start("sleeper", begin, "")

    with pytest.raises(UnavailableError, match="no luck"):
        asyncio.run(kept())
