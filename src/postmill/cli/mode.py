"""``postmill mode``: set the mode of a milter in the running daemon."""

from __future__ import annotations

from typing import Any

import click

from postmill.cli.controlling import Control, controlling


@click.command("mode")
@controlling
@click.argument("milter")
@click.argument("mode", type=click.Choice(("enforce", "evaluate", "off")))
def command(control: Control, milter: str, mode: str) -> None:
    """Set the MODE of MILTER: enforce, evaluate or off.

    Sessions under way finish as they began. It lasts until it is changed again or Postmill is restarted; a
    reload keeps it.
    """
    result = control.ask("mode", milter=milter, mode=mode)
    control.print(result, changed(result))


def changed(result: dict[str, Any]) -> str:
    """Say what became of a milter's mode."""
    was = "as before" if result["mode"] == result["was"] else f"instead of {result['was']}"
    why = "not that of the configuration" if result["overridden"] else "that of the configuration"
    return f"{result['milter']}: mode {result['mode']} {was}; it is {why}"
