"""``postmill tail``: messages as they are decided."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

from postmill.cli.history_options import selecting, with_history
from postmill.cli.record_output import as_json, line

if TYPE_CHECKING:
    from postmill.history import Entry, History, Selection

_PAUSE = 0.25
_AT_ONCE = 1000


@click.command("tail")
@with_history
@selecting
@click.option(
    "-n",
    "--last",
    type=click.IntRange(0, 10_000),
    default=10,
    show_default=True,
    help="How many earlier ones first.",
)
@click.option("--no-follow", is_flag=True, help="Only those, without waiting for more.")
@click.option("--json", "json_", is_flag=True, help="Print records as JSON, one on each line.")
def command(history: History, selection: Selection, last: int, no_follow: bool, json_: bool) -> None:
    """Show messages as they are decided, a line each, until interrupted."""
    console = Console(highlight=False)

    def show(entry: Entry) -> None:
        if json_:
            click.echo(as_json(entry))
        else:
            console.print(line(entry), soft_wrap=True)

    row = history.last_row()
    for entry in reversed(history.latest(selection, last, before=row + 1) if last else []):
        show(entry)
    while not no_follow:
        newest = history.last_row()  # asked first: what comes meanwhile is for the next turn
        found = history.after(row, selection, _AT_ONCE)
        for entry in found:
            show(entry)
        row = found[-1].row if len(found) == _AT_ONCE else max(newest, found[-1].row if found else row)
        if len(found) < _AT_ONCE:
            time.sleep(_PAUSE)
