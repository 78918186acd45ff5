"""Run a command and fail when a process that it started, directly or not, is still there afterwards.

Daemons leave their parent on purpose. This process declares itself the reaper of all its descendants
(PR_SET_CHILD_SUBREAPER, prctl(2)), so the kernel hands every orphan to it and none can get away.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GRACE = 15.0
"""Seconds a daemon may take to end after the command: libmilter looks for its stop signal every 5 s."""


def main(command: list[str], grace: float = GRACE) -> int:
    """Run the command; return its exit status, or 1 when it left something behind."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    status = wait_for(os.posix_spawnp(command[0], command, os.environ))
    left = report_and_end(leftovers(grace), command)
    return status or left


def wait_for(pid: int) -> int:
    """Reap every child, orphans included, until the given one ends."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def leftovers(grace: float) -> dict[int, str]:
    """Return the processes that do not end by themselves, with their command lines."""
    deadline = time.monotonic() + grace
    while (living := children()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return living


def report_and_end(left: dict[int, str], command: list[str]) -> int:
    """Name what is left and kill it, with all that is handed over when it dies; return 1 if there was any."""
    for pid, line in left.items():
        print(f"watch: still running after {command!r}: {pid} {line}", file=sys.stderr)
    while living := children():
        for pid in living:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return int(bool(left))


def children() -> dict[int, str]:
    """Reap what has ended and return the rest: only direct children, as these adopt no orphans."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return {}
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid): command_line(pid) for pid in pids}


def command_line(pid: str) -> str:
    """Return what a process was called with; empty when it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
