"""``postmill drain``: let the running daemon take no new sessions, and end when the last one has ended."""

from __future__ import annotations

import click

from postmill.cli.controlling import Control, controlling, ended


@click.command("drain")
@controlling
@click.option("--wait", is_flag=True, help="Return when it has ended.")
def command(control: Control, wait: bool) -> None:
    """Take no new sessions, let those under way finish however long they take, then end.

    `postmill status` shows what is left, `postmill stop` hastens the end.
    """
    result = control.ask("drain", within=None, wait=wait)
    text = f"{result['state']}: no new sessions are taken; it ends with the last one under way"
    control.print(result, ended(result) if wait else text)
