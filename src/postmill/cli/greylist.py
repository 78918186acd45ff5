"""``postmill greylist``: what the greylist filter remembers, brought along and taken away."""

from __future__ import annotations

from typing import TextIO

import click

from postmill.cli.options import config_file

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
def import_(config_file: str, name: str, file: TextIO) -> None:
    """Remember what stands in FILE, a dump of milter-greylist (- reads standard input).

    An entry that the store knows better stays, so it may be done again.
    """
    from postmill.daemon.greylisting import import_dump  # noqa: PLC0415 - only this command needs it

    put, late = import_dump(config_file, name, file.read(), file.name)
    click.echo(f"{put} entries remembered, {late} out of date left out")


@command.command()
@config_file
@_name
def export(config_file: str, name: str) -> None:
    """Print what the filter remembers as a dump of milter-greylist."""
    from postmill.daemon.greylisting import export_dump  # noqa: PLC0415 - only this command needs it

    click.echo(export_dump(config_file, name), nl=False)
