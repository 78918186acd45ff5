"""The configuration that the demo writes for its Postmill, and the directory in which it does."""

from __future__ import annotations

from pathlib import Path

from postmill.demo.dashboard import Dashboard
from postmill.demo.row import Row
from postmill.errors import UnavailableError

FILE = "postmill.toml"
_FIRST_LINE = "# Written by postmill demo, each time anew."


def claim(directory: Path) -> None:
    """Make the demo's directory, or take it if it is empty or another demo's; else UnavailableError.

    So that nobody's own Maildir gets mixed up with the demo's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / FILE
    ours = file.exists() and file.read_text(errors="replace").startswith(_FIRST_LINE)
    if any(directory.iterdir()) and not ours:
        raise UnavailableError(f"{directory} is not empty; give the demo a directory of its own")


def toml(sockets: Path, row: Row, group: str = "", dashboard: Dashboard | None = None) -> str:
    """Postmill listening in `sockets`, in front of a row of filters; `group` may connect, too."""
    lines = [
        _FIRST_LINE,
        "[manager]",
        f'listen = ["unix:{sockets}/postmill.sock"]',
        f'socket_group = "{group}"',
        "workers = 1",
        'drain_timeout = "3s"',
        "",
        "[control]",
        f'socket = "unix:{sockets}/control.sock"',
        "",
        "[log]",
        'format = "json"  # the demo reads it',
        "",
        "[store]",
        f'url = "sqlite:{sockets}/store.db"',
        "",
        "[history]",
        f'url = "sqlite:{sockets}/history.db"',
        "",
    ]
    if dashboard is not None:
        lines += [dashboard.table]
    return "\n".join((*lines, *(member.table for member in row.values())))
