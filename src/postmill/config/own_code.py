"""What to tell of code that somebody has written for Postmill and that raised where it must not."""

from __future__ import annotations

import os
import traceback

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

OWN_FAILURES = (Exception, SystemExit)
"""What such code may raise without taking the program down with it."""


def failure(error: BaseException) -> str:
    """Return kind and text of an exception."""
    return f"{type(error).__name__}: {error}"


def place(error: BaseException, file: str = "") -> tuple[str, int]:
    """Return file and line where it happened, as far as known: in ``file``, or the first that is not ours."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")]
    file = file or next((frame.filename for frame in frames if not frame.filename.startswith(_OURS)), "")
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return file, (lines[-1] if lines else None) or 0
