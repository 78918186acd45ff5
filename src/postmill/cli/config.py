"""``postmill config``: check a configuration, show it as it takes effect, explain its keys."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from postmill.cli import remark
from postmill.cli.options import config_file
from postmill.config import Loaded
from postmill.config.describing import Entry, entries, find
from postmill.config.showing import as_toml, as_values
from postmill.daemon.configuration import conditions_for, load_configuration
from postmill.daemon.filters import built_in_filters
from postmill.migration.printing import as_milter_manager

_FORMS: dict[str, Callable[[Loaded], str]] = {
    "toml": as_toml,
    "json": lambda loaded: json.dumps(as_values(loaded), indent=2, ensure_ascii=False),
    "milter-manager": as_milter_manager,
}
_file = click.argument("file", required=False, type=click.Path(dir_okay=False))


@click.group()
def command() -> None:
    """Check, show and explain the configuration."""


@command.command()
@config_file
@_file
def check(config_file: str, file: str | None) -> None:
    """Check FILE (or the configuration in use) and list every problem.

    Exit status 0 when Postmill would start with it, 78 when it would not. Warnings do not change the status.
    """
    loaded = load_configuration(file or config_file)
    _warn(loaded)
    names = ", ".join(milter.name for milter in loaded.settings.children if milter.mode != "off")
    click.echo(f"{loaded.file}: ok; milters: {names or 'none'}")


@command.command()
@config_file
@click.option(
    "--format",
    "form",
    type=click.Choice([*_FORMS]),
    default="toml",
    show_default=True,
    help="TOML, JSON, or what milter-manager's --show-config would print.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@_file
def show(config_file: str, form: str, as_json: bool, file: str | None) -> None:
    """Print the effective configuration of FILE and where each value came from."""
    loaded = load_configuration(file or config_file)
    _warn(loaded)
    click.echo(_FORMS["json" if as_json else form](loaded))


@command.command()
@config_file
@click.argument("key", required=False)
def describe(config_file: str, key: str | None) -> None:
    """Explain KEY, or list every key there is.

    KEY may be a whole key (manager.listen), a table (manager, milters), a condition (percentage), a built-in
    filter (clamav) or one of its settings (clamav.file), or a last part (on_error).
    """
    shelf, filters = conditions_for(config_file), built_in_filters()
    if key is None:
        for entry in entries(shelf=shelf, filters=filters):
            whose = f"  # {entry.use}" if entry.use else ""
            click.echo(f"{entry.key} = {entry.default or '(required)'}{whose}")
        return
    click.echo("\n\n".join(_description(entry) for entry in find(key, shelf, filters)))


def _description(entry: Entry) -> str:
    lines = [f"{entry.doc}", f"Must be {entry.allowed}."]
    texts = [click.wrap_text(line, 79, "  ", "  ") for line in lines]
    whose = f"use = {entry.use}; " if entry.use else ""
    return "\n".join([f"{entry.key}   ({whose}{entry.default_text})", *texts])


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        remark("postmill", "warning", str(warning))
