"""The machine's processes as proc(5) shows them; any of them may end while one looks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected by somebody's init does not."""
    return bool(_state(pid))


def session(leader: int) -> list[int]:
    """Living processes of the session that this process leads or led: its children, too."""
    return [pid for pid in _pids() if _state(pid)[3:4] == [str(leader)]]


def command_lines() -> list[str]:
    """What the processes were called with."""
    return [_read(pid, "cmdline").replace("\0", " ") for pid in _pids()]


def open_files(pid: int) -> dict[int, str]:
    """Descriptors of a process that runs, and what each is open on."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _state(pid: int) -> list[str]:
    """State, parent, process group, session and on of a living process; else nothing."""
    fields = _read(pid, "stat").rpartition(") ")[2].split()
    return [] if fields[:1] in (["Z"], ["X"]) else fields


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
