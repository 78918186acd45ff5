"""Options that several commands share."""

from __future__ import annotations

import click

from postmill.config import DEFAULT_FILE

config_file = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(dir_okay=False),
    default=DEFAULT_FILE,
    show_default=True,
    envvar="POSTMILL_CONFIG",
    show_envvar=True,
    help="The configuration file.",
)
