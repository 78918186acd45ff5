"""The program rrdtool, kept running: one process is told everything over its standard input (rrdtool(1)).

Only words pass here; what they mean is in ``graphs.databases`` and ``graphs.drawing``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from postmill.errors import UnavailableError

_MISSING = "rrdtool is not installed; it draws the graphs: apt install rrdtool (dnf, pkg install rrdtool)"


class RrdtoolError(UnavailableError):
    """rrdtool refused, or ended."""


class Rrdtool:
    """A running rrdtool; a context manager."""

    def __init__(self, directory: Path, program: str = "rrdtool") -> None:
        """Start it where names of files begin; raises UnavailableError when it is not installed."""
        path = shutil.which(program)
        if path is None:
            raise UnavailableError(_MISSING)
        self._process = subprocess.Popen(  # noqa: S603 - a program found in PATH, and no word of others
            [path, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=directory,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # numbers with a point
        )

    def do(self, command: str, *words: str) -> list[str]:
        """Have one command carried out; return what it prints. Raises RrdtoolError when it fails."""
        line = " ".join((command, *map(_quoted, words)))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except OSError as error:
            raise RrdtoolError(f"rrdtool ended: {error}") from error
        printed: list[str] = []
        for answer in self._process.stdout:
            text = answer.rstrip("\n")
            if text.startswith("OK "):
                return printed
            if text.startswith("ERROR: "):
                raise RrdtoolError(f"rrdtool {command}: {text.removeprefix('ERROR: ')}")
            printed.append(text)
        raise RrdtoolError(f"rrdtool {command}: it ended: {' '.join(printed)}")

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _quoted(word: str) -> str:
    """Return a word as rrdtool reads it from a line: it knows quotation marks, and no way to write one."""
    if not word.isprintable() or '"' in word:
        raise RrdtoolError(f"rrdtool cannot be told {word!r}")
    return f'"{word}"' if not word or set(word) & set(" '") else word
