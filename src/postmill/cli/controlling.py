"""What the commands share that talk to the running daemon: where it is, and how its answer is printed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import click

from postmill.cli.options import config_file
from postmill.config import load_control
from postmill.errors import ConfigError, PostmillError, UnavailableError
from postmill.wire.endpoint import Endpoint, parse_endpoint


class Control:
    """Asks the daemon, and prints what it answers."""

    def __init__(self, config_file: str, socket: str, as_json: bool) -> None:
        self.config_file = config_file
        self.as_json = as_json
        self._socket = socket

    def endpoint(self) -> Endpoint | None:
        """Find out where the daemon listens for us; None when the configuration says nowhere."""
        found = parse_endpoint(self._socket) if self._socket else self._configured()
        if found is not None and found.kind != "unix":
            raise UnavailableError(f"{found} cannot be the control socket: that is always a unix socket")
        return found

    def _configured(self) -> Endpoint | None:
        try:
            return load_control(self.config_file).socket
        except ConfigError as error:
            raise ConfigError(f"{error}\n--socket says without the file where the daemon listens") from error

    def ask(self, command: str, within: float | None = 60.0, **values: Any) -> dict[str, Any]:
        """Return the daemon's result; see ``daemon.asking``."""
        from postmill.daemon.asking import ask  # noqa: PLC0415 - keeps `postmill --help` quick

        endpoint = self.endpoint()
        if endpoint is None:
            raise UnavailableError(f"control.socket is empty in {self.config_file}: the daemon has none")
        return ask(endpoint, command, values, within)

    def print(self, result: dict[str, Any], text: str) -> None:
        """Print a result as JSON, or the text for people."""
        click.echo(json.dumps(result) if self.as_json else text)


def controlling(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command a ``Control`` as its first argument, and the options that make one.

    With ``--json`` an error is JSON on the standard output, too.
    """

    @config_file
    @click.option(
        "--socket", default="", metavar="SOCKET", help="The control socket; else the configuration says it."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
    @functools.wraps(function)
    def run(config_file: str, socket: str, as_json: bool, **rest: Any) -> None:
        try:
            function(Control(config_file, socket, as_json), **rest)
        except PostmillError as error:
            if as_json:
                click.echo(error_as_json(error))
            raise

    return run


def error_as_json(error: PostmillError) -> str:
    """Return what ``--json`` prints of an error."""
    return json.dumps({"error": {"status": error.exit_status, "text": str(error)}})


def ended(result: dict[str, Any]) -> str:
    """Say how the daemon ended."""
    cut_off = f"; {result['cut_off']} sessions were cut off" if result["cut_off"] else ""
    killed = f"; killed: {', '.join(map(str, result['killed_workers']))}" if result["killed_workers"] else ""
    return f"stopped{cut_off}{killed}"
