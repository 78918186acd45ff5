"""Running the commands that the doctor advises: the safe ones only, each once.

``postmill`` itself is run by the interpreter that runs now, so that it is the same program in a venv, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from postmill.host.diagnosis import Diagnosis

_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Mended:
    """A command that was run."""

    shell: str
    status: int
    output: str


def fixes(diagnoses: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Return one diagnosis for each command that may be run without asking, in their order."""
    safe = (one for one in diagnoses if one.safe and one.command)
    return tuple({one.command: one for one in safe}.values())


def mend(fix: Diagnosis) -> Mended:
    """Run a command and say what came of it."""
    name, *arguments = fix.command
    if name == "postmill":
        words = [sys.executable, "-m", "postmill", *arguments]
    else:
        words = [shutil.which(name) or shutil.which(name, path=_PATH) or name, *arguments]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as error:
        return Mended(fix.shell, 127, f"cannot be run: {error.strerror}")
    return Mended(fix.shell, done.returncode, done.stdout + done.stderr)
