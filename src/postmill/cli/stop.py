"""``postmill stop``: end the running daemon."""

from __future__ import annotations

import click

from postmill.cli.controlling import Control, controlling, ended


@click.command("stop")
@controlling
@click.option("--now", is_flag=True, help="Cut off the sessions under way; MTAs are told to try again later.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it has ended.")
def command(control: Control, now: bool, wait: bool) -> None:
    """Take no new sessions, let those under way finish within `manager.drain_timeout`, then end."""
    result = control.ask("stop", within=None, now=now, wait=wait)
    control.print(result, ended(result) if wait else result["state"])
