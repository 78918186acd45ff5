"""``postmill reload``: let the running daemon take the changed configuration, and say what came of it.

It goes over the control socket; a daemon without one gets a signal, and tells the outcome in a datagram.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from postmill.cli import remark
from postmill.cli.controlling import Control, controlling
from postmill.cli.rehearsing import rehearsed
from postmill.config import Loaded
from postmill.daemon.configuration import load_configuration
from postmill.errors import ConfigError, RequestError, UnavailableError


@click.command("reload")
@controlling
@click.option("--reset", is_flag=True, help="Drop what enable, disable, mode and log-level changed.")
@click.option(
    "--pid", type=click.IntRange(1), help="Signal this process, which then reads its own file itself."
)
@click.option(
    "--pid-file",
    default="",
    type=click.Path(dir_okay=False),
    help="Signal the process with its id in a file.",
)
@click.option(
    "--wait", default=30.0, show_default=True, metavar="SECONDS", help="How long to wait for the outcome."
)
def command(control: Control, reset: bool, pid: int | None, pid_file: str, wait: float) -> None:
    """Make the daemon take its changed configuration.

    The configuration is checked first, and its cases (`postmill policy test`) are played; with an error the
    daemon is left alone, or refuses it by itself where it is named with --pid. Sessions under way finish on
    the old one. A daemon that cannot be reached over its control socket is sent SIGHUP, if its process id is
    in `manager.pid_file`. Exit status 0 once the new configuration is in force, 78 when it was refused, 77
    when you may not do this, 69 when the daemon cannot be found or does not answer.
    """
    text = _by_signal(pid, wait) if pid else _checked_here(control, reset, pid_file, wait)
    control.print({"text": text}, f"reloaded: {text}")


def _checked_here(control: Control, reset: bool, pid_file: str, wait: float) -> str:
    """Read the configuration before the daemon does, then tell the daemon."""
    loaded = rehearsed(load_configuration(control.config_file))
    for warning in loaded.warnings:
        remark("postmill", "warning", str(warning))
    text = None if pid_file else _over_socket(control, reset, wait, bool(_pid_file(loaded)))
    if text is None:
        if reset:
            raise RequestError("--reset goes over the control socket only")
        text = _by_signal(_read_pid(pid_file or _pid_file(loaded)), wait)
    return text


def _pid_file(loaded: Loaded) -> str:
    return loaded.settings.manager.pid_file


def _over_socket(control: Control, reset: bool, wait: float, may_signal: bool) -> str | None:
    """Reload over the control socket; None when there is none, and a signal may do."""
    from postmill.daemon.asking import UnreachableError  # noqa: PLC0415 - wanted by this command only

    try:
        if control.endpoint() is None:
            return None
        return str(control.ask("reload", wait, reset=reset)["text"])
    except UnreachableError:
        if not may_signal or reset:
            raise
        return None


def _by_signal(pid: int, wait: float) -> str:
    """Send SIGHUP and wait for the outcome."""
    from postmill.daemon.outcome import Listener  # noqa: PLC0415 - wanted by this command only

    _check_process(pid)
    with Listener(pid) as listener:
        try:
            os.kill(pid, signal.SIGHUP)
        except OSError as error:
            raise UnavailableError(f"cannot signal process {pid}: {error.strerror}") from error
        outcome = listener.wait(wait)
    if outcome is None:
        raise UnavailableError(f"process {pid} did not tell the outcome within {wait:g} s; its log will")
    if not outcome.ok:
        raise ConfigError(f"refused, the old configuration stays in force: {outcome.text}")
    return outcome.text


def _read_pid(path: str) -> int:
    if not path:
        raise UnavailableError(
            "which process? set control.socket or manager.pid_file, or name it with --pid or --pid-file"
        )
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise UnavailableError(
            f"cannot read the pid file {path}: {error.strerror}; is the daemon running?"
        ) from error
    if not text.isdigit() or int(text) < 1:
        raise UnavailableError(f"there is no process id in the pid file {path}")
    return int(text)


def _check_process(pid: int) -> None:
    """Refuse to signal anything but the parent process of a Postmill."""
    if not _is_postmill(pid):
        raise UnavailableError(f"process {pid} is not a running Postmill; is the daemon running?")
    parent = _parent_of(pid)
    if parent > 1 and _command_line(parent) == _command_line(pid):
        raise UnavailableError(f"process {pid} is a worker; the daemon is process {parent}")


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _is_postmill(pid: int) -> bool:
    words = _command_line(pid)
    return "run" in words and any(Path(word).name == "postmill" for word in words[: words.index("run")])


def _parent_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")), 0)
