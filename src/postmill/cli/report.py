"""``postmill report``: what happened in some time, for each milter."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from postmill.cli.history_options import Moment, with_history
from postmill.cli.report_output import as_html, as_mail, show

if TYPE_CHECKING:
    from postmill.history import History


@click.command("report")
@with_history
@click.option(
    "--since",
    type=Moment(),
    default="24h",
    show_default=True,
    help="24h, 7d, or a date with or without time.",
)
@click.option("--until", type=Moment(), help="The same; else now.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--html", "form", flag_value="html", help="Print a page of HTML.")
@click.option("--mail-to", metavar="ADDRESS", help="Print a mail with text and HTML, for sendmail -t.")
@click.option("--mail-from", metavar="ADDRESS", help="With --mail-to: its sender.")
def command(
    history: History,
    since: float,
    until: float | None,
    form: str | None,
    mail_to: str | None,
    mail_from: str | None,
) -> None:
    """Tell what happened since a time: mail by verdict, and of each milter what it said and how fast.

    Times are taken to the minute, beyond two days to the hour. Of milters that are only evaluated it tells
    what they would have changed.
    """
    from postmill.record.report import report_of  # noqa: PLC0415 - keeps `postmill --help` quick

    if mail_from and not mail_to:
        raise click.UsageError("--mail-from needs --mail-to")
    if until is not None and until <= since:
        raise click.UsageError("--until must come after --since")
    end = time.time() if until is None else until
    report: dict[str, Any] = {"since": since, "until": end, **report_of(history.tally(since, end))}
    if mail_to:
        click.echo(as_mail(report, mail_to, mail_from), nl=False)
    elif form == "json":
        click.echo(json.dumps(report))
    elif form == "html":
        click.echo(as_html(report))
    else:
        show(report, Console(highlight=False))
