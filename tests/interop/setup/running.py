"""`postmill setup` as a person calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"


def setup(*arguments: object, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run `postmill setup …` on this tree's sources."""
    return subprocess.run(
        [sys.executable, "-m", "postmill", "setup", *map(str, arguments)],
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1"},
    )


def identity(file: Path) -> tuple[bytes, int, int, int]:
    """What must be as it was after --undo."""
    status = file.stat()
    return file.read_bytes(), status.st_mode, status.st_uid, status.st_gid
