"""Runs a command in this process, the way its program does, and keeps what it printed."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import click
import pytest

from postmill.cli import launch


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(command: click.Command, *args: str, stdin: bytes = b"") -> Result:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    given = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    with (
        patch.object(sys, "argv", ["program", *args]),
        patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        launch(command, "program")
    out.flush()
    err.flush()
    status = ended.value.code
    assert isinstance(status, int)
    return Result(status, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())


class Program:
    """A program of ours that serves until it is stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it, and return what it printed; it must end well."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.output()

    def output(self) -> str:
        """Wait for its end, and return what it printed."""
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        return out


@contextlib.contextmanager
def program(module: str, *args: str) -> Iterator[Program]:
    """Start a program in a process of its own; it is up when it says where it listens."""
    command = [sys.executable, "-c", f"from {module} import main; main()", *args]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("listening on "), line + process.stderr.read()
            yield Program(process)
        finally:
            if process.poll() is None:
                process.kill()
