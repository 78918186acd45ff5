"""``postmill status``: how the running daemon and its milters stand."""

from __future__ import annotations

import json
import time
from typing import Any

import click
from rich.console import Console

from postmill.cli.controlling import Control, controlling, error_as_json
from postmill.cli.status_output import show
from postmill.errors import PostmillError

TROUBLED = ("down", "left-alone")


@click.command("status")
@controlling
@click.option("--watch", type=click.FloatRange(0.1), metavar="SECONDS", help="Show it again and again.")
@click.pass_context
def command(ctx: click.Context, control: Control, watch: float | None) -> None:
    """Show how the daemon and its milters stand.

    Exit status 0 when all is well, 1 when a milter that is asked is down or a worker process does not
    react, 69 when the daemon cannot be reached.
    """
    if watch is not None:
        _watch(control, watch)
    result = control.ask("status")
    if control.as_json:
        click.echo(json.dumps(result))
    else:
        show(result, _console())
    ctx.exit(exit_status(result))


def exit_status(result: dict[str, Any]) -> int:
    """Return 1 when something is wrong, else 0."""
    down = any(milter["state"] in TROUBLED for milter in result["milters"])
    return int(down or not all(worker["answers"] for worker in result["workers"]))


def _watch(control: Control, seconds: float) -> None:
    """Show the status until interrupted, also while the daemon is away."""
    console = _console()
    while True:
        try:
            result = control.ask("status")
        except PostmillError as error:
            text = error_as_json(error) if control.as_json else str(error)
        else:
            text = json.dumps(result) if control.as_json else ""
        if not control.as_json:
            console.clear()
        if text:
            click.echo(text)
        else:
            show(result, console)
        time.sleep(seconds)


def _console() -> Console:
    return Console(highlight=False)
