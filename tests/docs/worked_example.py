"""Pages that show how one more of something is added: their files go into a copy of the tree, and are tried there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALWAYS = (
    "src",
    *(f"tests/{name}.py" for name in ("__init__", "conftest", "processes")),
    "docs",
    "pyproject.toml",
)


def run(folder: Path, *arguments: str) -> str:
    """Run Python in a folder; the code is that of its ``src``, if it has one."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add_files(page: str, folder: Path, *needed: str) -> list[str]:
    """Copy the tree, as far as needed, into a folder and add the files that the page shows; return their names."""
    for name in (*ALWAYS, *needed):
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():  # without bytecode: other tests' processes may be writing it now
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    files = re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, text in files:
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    return [name for name, _ in files]


def lint(folder: Path, files: Sequence[str]) -> None:
    """Hold the files to the rules of the house."""
    run(folder, "-m", "ruff", "check", "--quiet", *files)
    run(folder, "-m", "ruff", "format", "--check", "--quiet", *files)
