"""``postmill log-level``: let the running daemon write more or less into its log."""

from __future__ import annotations

import click

from postmill.cli.controlling import Control, controlling


@click.command("log-level")
@controlling
@click.argument("level", type=click.Choice(("debug", "info", "warning", "error", "reset")))
def command(control: Control, level: str) -> None:
    """Set the least important lines that are logged: LEVEL is debug, info, warning, error or reset.

    `reset` goes back to `log.level` of the configuration. It takes effect at once in every process, also
    for sessions under way, and lasts until Postmill is restarted; a reload keeps it.
    """
    result = control.ask("log-level", level=level)
    untold = ", ".join(map(str, result["untold_workers"]))
    control.print(
        result, f"log level {result['level']}" + (f"; workers that do not react: {untold}" if untold else "")
    )
