"""``postmill explain``: what happened to one message, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

from postmill.cli.history_options import with_history
from postmill.cli.record_output import as_json, draw, line

if TYPE_CHECKING:
    from postmill.history import History

_OTHERS = 10


@click.command("explain")
@with_history
@click.argument("what", metavar="WHAT")
@click.option(
    "-n",
    "--last",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many messages to draw.",
)
@click.option("--json", "json_", is_flag=True, help="Print records as JSON, one on each line.")
@click.pass_context
def command(ctx: click.Context, history: History, what: str, last: int, json_: bool) -> None:
    """Draw a message's way: what each milter said at each stage, what it changed, why it was left out.

    WHAT is a queue id, a Message-ID, a sender or recipient, @DOMAIN, a client's address, or the session of
    a log line; of several messages it is the newest. Exit status 1 when there is none.
    """
    from postmill.history import Selection  # noqa: PLC0415 - keeps `postmill --help` quick

    found = history.latest(Selection(text=what), last + _OTHERS + 1)
    if not found:
        click.echo(f"postmill: nothing is known of {what}", err=True)
        ctx.exit(1)
    console = Console(highlight=False)
    for number, entry in enumerate(found[:last]):
        if json_:
            click.echo(as_json(entry))
            continue
        if number:
            console.rule(style="dim")
        draw(entry, console)
    others = [] if json_ else found[last:]
    if others:
        console.print(
            f"\nEarlier ones (-n draws more{', there are more' if len(others) > _OTHERS else ''}):",
            style="dim",
        )
        for entry in others[:_OTHERS]:
            console.print(line(entry, date=True), soft_wrap=True)
