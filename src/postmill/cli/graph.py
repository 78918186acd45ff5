"""``postmill graph``: databases of RRDtool, pictures and pages of what was counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from postmill.cli import remark
from postmill.cli.options import config_file
from postmill.config.settings import Settings
from postmill.daemon.configuration import load_configuration
from postmill.errors import UnavailableError
from postmill.graphs.importing import Imported, import_logs
from postmill.graphs.rendering import due, render
from postmill.graphs.store import Store
from postmill.graphs.updating import update

_anew = click.option(
    "--anew", is_flag=True, help="Make all databases again from what the history and imports have counted."
)


@click.group(invoke_without_command=True)
@config_file
@click.pass_context
def command(ctx: click.Context, config_file: str) -> None:
    """Draw graphs of sessions, verdicts, times and faults, by hour, day, week, month and year.

    Without a command: update, then draw the pages whose turn it is. That is what a timer runs every five
    minutes. It needs the program rrdtool, and a history (`history.url`) or an imported log.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings, place = _opened(ctx)
    now = time.time()
    with place.locked():
        made_anew = _updated(settings, place, now, anew=False)
        periods = {} if made_anew else {"periods": due(place, now)}
        render(place, settings.graphs.title, now, **periods)


@command.command("update")
@config_file
@_anew
@click.pass_context
def update_(ctx: click.Context, config_file: str, anew: bool) -> None:
    """Take over what was counted since the last time; never anything twice."""
    settings, place = _opened(ctx)
    with place.locked():
        _updated(settings, place, time.time(), anew=anew)
        click.echo(f"{place.data}: up to {_minute(place.until)}")


@command.command("render")
@config_file
@click.pass_context
def render_(ctx: click.Context, config_file: str) -> None:
    """Draw all pictures and pages."""
    settings, place = _opened(ctx)
    with place.locked():
        pages = render(place, settings.graphs.title, time.time())
    click.echo(f"{place.html}: {' '.join(pages)}")


@command.command("import")
@config_file
@click.argument("files", nargs=-1, required=True, metavar="LOGFILE...")
@click.pass_context
def import_(ctx: click.Context, config_file: str, files: Sequence[str]) -> None:
    """Count the mail in logs, for the time of which the history has nothing.

    LOGFILE has lines of Postmill or of milter-manager, among any others: a file of syslog, what `journalctl`
    prints (short, json, export), or JSON lines; plain or gzip; - is the standard input. A line that was
    counted once is not counted again.
    """
    settings, place = _opened(ctx)
    with place.locked():
        imported = import_logs(place, files, time.time())
        _tell(imported)
        if imported.counted:
            _updated(settings, place, time.time(), anew=False)


def _tell(imported: Imported) -> None:
    click.echo(
        f"{imported.counted:,} lines counted, {imported.known:,} were counted before; "
        f"{imported.lines:,} lines read"
    )
    for problem in imported.problems:
        remark("postmill", "warning", problem)


def _opened(ctx: click.Context) -> tuple[Settings, Store]:
    """Read the configuration that is named behind the command, else the one that is named behind `graph`."""
    named = ctx if ctx.get_parameter_source("config_file") is ParameterSource.COMMANDLINE else ctx.parent
    file = (named or ctx).params.get("config_file", ctx.params["config_file"])
    settings = load_configuration(file).settings
    return settings, Store(Path(settings.graphs.directory))


def _updated(settings: Settings, place: Store, now: float, *, anew: bool) -> bool:
    if not settings.history.url and not place.has_imports:
        raise UnavailableError(
            "there is nothing to draw: set history.url, or take a log with `postmill graph import`"
        )
    return update(place, settings.history.url, now, anew=anew)


def _minute(until: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(until))
