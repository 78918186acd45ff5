"""``postmill reload``: let the running daemon take the changed configuration, and say what came of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from postmill.cli import report
from postmill.cli.options import config_file
from postmill.config import load
from postmill.errors import ConfigError, UnavailableError


@click.command("reload")
@config_file
@click.option(
    "--pid", type=click.IntRange(1), help="Process id of the daemon, which then reads its own file itself."
)
@click.option("--pid-file", default="", type=click.Path(dir_okay=False), help="Where the daemon wrote it.")
@click.option(
    "--wait", default=30.0, show_default=True, metavar="SECONDS", help="How long to wait for the outcome."
)
def command(config_file: str, pid: int | None, pid_file: str, wait: float) -> None:
    """Make the daemon take its changed configuration.

    The configuration is checked first; with an error in it the daemon is left alone, or refuses it by itself
    where it is named with --pid. Sessions under way finish on the old one. Exit status 0 once the new one is
    in force, 78 when it was refused, 69 when the daemon cannot be found or does not answer.
    """
    from postmill.daemon.outcome import Listener  # noqa: PLC0415 - wanted by this command only

    if not pid:
        loaded = load(config_file)
        for warning in loaded.warnings:
            report("postmill", "warning", str(warning))
        pid = _read_pid(pid_file or loaded.settings.manager.pid_file)
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
    click.echo(f"reloaded: {outcome.text}")


def _read_pid(path: str) -> int:
    if not path:
        raise UnavailableError(
            "which process? set manager.pid_file, or name the process with --pid or --pid-file"
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
