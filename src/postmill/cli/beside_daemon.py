"""What commands share that the daemon may run beside it: they log as it does, and end with it."""

from __future__ import annotations

import os
import threading

import click

from postmill.config import load_log

_STDIN = 0

beside_daemon = click.option("--beside-daemon", is_flag=True, hidden=True)
"""Given by the daemon, which holds the other end of the standard input."""


def begin(config_file: str, beside: bool) -> None:
    """Log as the configuration says; with ``beside``, end the process when the standard input ends.

    Raises ConfigError when the configuration does not say how to log, UnavailableError when that fails.
    """
    from postmill.daemon import garbage, logs  # noqa: PLC0415 - keeps `postmill --help` quick

    logs.configure(load_log(config_file))
    garbage.calm()
    if beside:
        threading.Thread(target=_end_with_daemon, daemon=True).start()


def _end_with_daemon() -> None:
    while os.read(_STDIN, 4096):
        pass
    os._exit(0)
