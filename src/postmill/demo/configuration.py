"""The configuration that the demo writes for its Postmill."""

from __future__ import annotations

from pathlib import Path

from postmill.demo.filters import FILTERS


def toml(sockets: Path, group: str = "") -> str:
    """Postmill listening in `sockets`, in front of every demo filter; `group` may connect, too."""
    lines = [
        "[manager]",
        f'listen = ["unix:{sockets}/postmill.sock"]',
        f'socket_group = "{group}"',
        "workers = 1",
        'drain_timeout = "3s"',
        "",
        "[log]",
        'format = "json"  # the demo reads it',
    ]
    for name in FILTERS:
        lines += ["", f"[milters.{name}]", f'socket = "unix:{sockets}/{name}.sock"']
    return "\n".join(lines) + "\n"
