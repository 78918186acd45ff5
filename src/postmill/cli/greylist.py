"""``postmill greylist``: what the greylist filter remembers, brought along and taken away."""

from __future__ import annotations

from typing import TextIO

import click

from postmill.cli import remark
from postmill.cli.options import config_file

INCOMPLETE = 1
"""Exit status: everything is remembered but some lines that are none of a dump."""
_name = click.option(
    "--name", default="greylist", show_default=True, help="The filter's name in the configuration."
)


@click.group()
def command() -> None:
    """Bring along what milter-greylist remembers, and take away what the filter greylist does.

    Both are milter-greylist's dump file. The store is that of the configuration; it may be in use.
    """


@command.command("import")
@config_file
@_name
@click.argument("file", type=click.File(encoding="utf-8", errors="backslashreplace"))
@click.pass_context
def import_(context: click.Context, config_file: str, name: str, file: TextIO) -> None:
    """Remember what stands in FILE, a dump of milter-greylist (- reads standard input).

    An entry that the store knows better stays, so it may be done again. A line that is none of a dump is
    named and left out.

    Exit status 0 when every line was read, 1 when some were left out, 78 when none is one of a dump.
    """
    from postmill.daemon.greylisting import import_dump  # noqa: PLC0415 - only this command needs it

    brought = import_dump(config_file, name, file.read(), file.name)
    for line in brought.left_out:
        remark("postmill", "warning", f"{file.name}: {line}")
    lost = len(brought.left_out)
    also = f", {lost} line{'s' * (lost > 1)} left out" if lost else ""
    click.echo(f"{brought.remembered} entries remembered, {brought.late} out of date left out{also}")
    context.exit(INCOMPLETE if lost else 0)


@command.command()
@config_file
@_name
def export(config_file: str, name: str) -> None:
    """Print what the filter remembers as a dump of milter-greylist."""
    from postmill.daemon.greylisting import export_dump  # noqa: PLC0415 - only this command needs it

    click.echo(export_dump(config_file, name), nl=False)
