"""``postmill top``: the milters of the running daemon, live."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from postmill.cli.controlling import Control, controlling
from postmill.cli.record_output import colour
from postmill.cli.status_output import STATES
from postmill.errors import PostmillError
from postmill.record import ChildTally, Tally, percentile
from postmill.record.tally import together

_HEADINGS = ("milter", "state", "links", "asked/s", "verdicts/s", "errors/s", "ms p50", "p99")


@click.command("top")
@controlling
@click.option(
    "--every",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many times.")
def command(control: Control, every: float, count: int | None) -> None:
    """Show live what each milter does: messages a second, verdicts, errors, and how long it takes.

    Ctrl-C ends it. While the daemon is away, it says so and waits.
    """
    if control.as_json:
        raise click.UsageError("a live table has no JSON; use postmill status --watch SECONDS --json")
    console = Console(highlight=False)
    before: dict[str, Any] | None = None
    with Live(console=console, auto_refresh=False, screen=console.is_terminal and count is None) as live:
        while True:
            try:
                now = control.ask("status")
            except PostmillError as error:
                if count is not None:
                    raise
                live.update(Text(str(error), "red"), refresh=True)
                before = None
            else:
                live.update(picture(now, before), refresh=True)
                before = now
            if count is not None and (count := count - 1) == 0:
                return
            time.sleep(every)


def picture(now: dict[str, Any], before: dict[str, Any] | None) -> Group:
    """Return what happened between two statuses; without an earlier one, since the start."""
    seconds = max(0.001, now["time"] - (now["started"] if before is None else before["time"]))
    tally = Tally()
    tally.merge(now["tally"])
    if before is not None and before["started"] == now["started"]:
        tally = tally.since(before["tally"])
    span = "since its start" if before is None else f"in {seconds:.1f} s"
    head = Text.assemble(
        (f"Postmill {now['state']}", "bold"),
        f", {now['sessions']} sessions under way; {span}: {_rates(tally.messages, seconds) or 'no mail'}",
    )
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in _HEADINGS:
        numeric = heading in ("links", "asked/s", "ms p50", "p99")
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for milter in now["milters"]:
        table.add_row(*_row(milter, tally.children.get(milter["name"]) or ChildTally(), seconds))
    return Group(head, Text(), table)


def _row(milter: dict[str, Any], tally: ChildTally, seconds: float) -> tuple[Text | str, ...]:
    times = together(tally.times)
    mode = "" if milter["mode"] == "enforce" else f" {milter['mode']}"
    return (
        Text(milter["name"] + mode, "bold"),
        Text(milter["state"], STATES[milter["state"]]),
        str(milter["links"]),
        f"{tally.asked / seconds:.1f}",
        _rates(tally.verdicts, seconds),
        Text(_rates(tally.errors, seconds).plain, "red"),
        *(f"{percentile(times, share):.1f}" if any(times.values()) else "-" for share in (0.5, 0.99)),
    )


def _rates(counts: dict[str, int], seconds: float) -> Text:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    parts = [Text(f"{name} {count / seconds:.1f}", colour(name)) for name, count in ordered if count]
    return Text(", ").join(parts)
