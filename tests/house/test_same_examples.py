"""Hypothesis tries the same examples in every run, whatever of Postmill is loaded and whatever stands in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def drawn(*modules: str, random: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.house.drawing", *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"POSTMILL_RANDOM": random},
    ).stdout


def test_constants_of_the_code_change_nothing() -> None:
    assert drawn("postmill.detectors.readers.shell.running", "postmill.cli") == drawn()


def test_unless_others_are_asked_for() -> None:
    assert drawn(random="1") != drawn()
