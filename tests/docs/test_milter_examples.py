"""The examples of milters: the pages show the files, and their tests pass as an author would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from postmill.daemon.filters import find_filter
from tests.daemon.running import environment

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "writing-a-milter.md").read_text()


def test_the_page_shows_the_files() -> None:
    shown = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown == [(EXAMPLES / name).read_text() for name in ("house_rules.py", "test_house_rules.py")]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("[!t]*.py")), ids=lambda file: file.name)
def test_each_example_has_a_test_and_can_be_used(file: Path) -> None:
    assert (EXAMPLES / f"test_{file.name}").exists()
    assert find_filter(f"{file}:app").handlers


def test_their_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES)]
    done = subprocess.run(
        command, check=False, cwd=EXAMPLES, env=environment(), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    count = sum(file.read_text().count("\ndef test_") for file in EXAMPLES.glob("test_*.py"))
    assert f"{count} passed" in done.stdout
