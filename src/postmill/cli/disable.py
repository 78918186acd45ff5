"""``postmill disable``: let the running daemon do without a milter."""

from __future__ import annotations

import click

from postmill.cli.controlling import Control, controlling
from postmill.cli.mode import changed


@click.command("disable")
@controlling
@click.argument("milter")
def command(control: Control, milter: str) -> None:
    """Ask MILTER no more, as with `mode = "off"` in its configuration.

    Sessions under way finish as they began. It lasts until it is changed again or Postmill is restarted; a
    reload keeps it.
    """
    result = control.ask("disable", milter=milter)
    control.print(result, changed(result))
