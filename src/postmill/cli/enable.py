"""``postmill enable``: let the running daemon ask a milter again."""

from __future__ import annotations

import click

from postmill.cli.controlling import Control, controlling
from postmill.cli.mode import changed


@click.command("enable")
@controlling
@click.argument("milter")
def command(control: Control, milter: str) -> None:
    """Let MILTER be asked again, in the mode that its configuration says.

    A milter whose configuration says `off` gets the mode `enforce`. New sessions ask it; those under way
    finish as they began. It lasts until it is changed again or Postmill is restarted; a reload keeps it.
    """
    result = control.ask("enable", milter=milter)
    control.print(result, changed(result))
