"""Records as people read them: one message with its way drawn, or one line for each of many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postmill.record import Cell, Change, MessageRecord, Row, journey_of, one_line

if TYPE_CHECKING:
    from postmill.history import Entry

COLOURS = {
    "accept": "green",
    "continue": "green",
    "quarantine": "yellow",
    "tempfail": "yellow",
    "discard": "magenta",
    "reject": "red",
    "shutdown": "red",
    "aborted": "cyan",
}
_SIGNS = {"continue": "✓", "accept": "✓", "skip": "✓", "quarantine": "‖", "discard": "∅"}
_ENDS = {
    "accept": "Passed",
    "reject": "Refused",
    "tempfail": "Refused for now",
    "discard": "Taken and dropped",
    "quarantine": "Held",
    "shutdown": "Session ended",
    "aborted": "Given up by the client or the mail server",
}
_MOST_RECIPIENTS = 20


def colour(verdict: str) -> str:
    """Return the style of a verdict."""
    return "bold red" if verdict.startswith("lost") else COLOURS.get(verdict, "")


def moment(seconds: float, *, date: bool = True) -> str:
    """Return a local time."""
    when = datetime.fromtimestamp(seconds).astimezone()
    return f"{when:%Y-%m-%d %H:%M:%S}" if date else f"{when:%H:%M:%S}"


def as_json(entry: Entry) -> str:
    """Return a record as one line of JSON."""
    return json.dumps({"row": entry.row, "host": entry.host, **entry.record.as_dict()}, ensure_ascii=False)


def line(entry: Entry, *, date: bool = False) -> Text:
    """Return one message on one line."""
    record = entry.record
    recipients = [one_line(recipient.address) for recipient in record.recipients]
    others = f" +{len(recipients) - 1}" if len(recipients) > 1 else ""
    whose = f" by {record.by}" if record.by else ""
    said = one_line(record.reply or record.held)
    text = Text.assemble(
        (moment(record.time, date=date), "dim"),
        "  ",
        (f"{record.queue_id or record.session:<12}", "bold"),
        " ",
        (f"{record.verdict:<10}", colour(record.verdict)),
        " ",
    )
    if record.sender is None:
        text.append(f"connection of {one_line(record.client_name)}[{record.client_address}]")
    else:
        text.append(f"{one_line(record.sender)} → {recipients[0] if recipients else 'nobody'}{others}")
    text.append(f"{whose}{': ' if said else ''}{said}", "dim")
    return text


def draw(entry: Entry, console: Console) -> None:
    """Print one message with its way through the milters."""
    record = entry.record
    for name, text in _head(entry):
        console.print(Text.assemble((f"{name:11}", "bold"), text), soft_wrap=True)
    journey = journey_of(record)
    if journey.rows:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("milter", no_wrap=True)
        for column in journey.columns:
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("said", overflow="fold")
        for row in journey.rows:
            cells = [_cell(row.cells.get(column)) for column in journey.columns]
            table.add_row(_name(row), *cells, _said(row))
        console.print()
        console.print(table)
    for name, change in _changes(record):
        for text in _diff(name, change):
            console.print(text, soft_wrap=True)
    console.print()
    console.print(_end(record), soft_wrap=True)


def _head(entry: Entry) -> Iterator[tuple[str, Text]]:
    record = entry.record
    size = f", {record.size:,} bytes" if record.size else ""
    yield "message", Text(f"{record.queue_id or 'no queue id'}, {moment(record.time)} on {entry.host}{size}")
    if record.message_id:
        yield "Message-ID", Text(one_line(record.message_id))
    helo = f", HELO {one_line(record.helo)}" if record.helo else ""
    yield (
        "client",
        Text(f"{one_line(record.client_name)}[{record.client_address}]{helo}, session {record.session}"),
    )
    if record.sender is None:
        return
    yield "from", Text(one_line(record.sender))
    for recipient in record.recipients[:_MOST_RECIPIENTS]:
        refused = "" if recipient.verdict == "continue" else f" {recipient.verdict}"
        yield "to", Text.assemble(one_line(recipient.address), (refused, colour(recipient.verdict)))
    if len(record.recipients) > _MOST_RECIPIENTS:
        yield "to", Text(f"… and {len(record.recipients) - _MOST_RECIPIENTS} more")


def _name(row: Row) -> Text:
    mark = " (evaluated)" if row.child.evaluated else ""
    return Text.assemble((row.child.name, "bold"), (mark, "dim"))


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("·", "dim")
    sign = "!" if cell.verdict.startswith("lost") else _SIGNS.get(cell.verdict, "✗")
    return Text(f"{_ms(cell.ms)} {sign}", colour(cell.verdict))


def _said(row: Row) -> Text:
    child, last = row.child, row.last
    if not child.answers:
        skipped = child.skipped
        if skipped is None:
            return Text("not asked", "dim")
        return Text(f"not asked: {skipped.name}: {one_line(skipped.because)}", "dim")
    parts = [child.verdict]
    if last is not None and last.text:
        parts.append(one_line(last.text))
    if child.because:
        parts.append(f"({one_line(child.because)})")
    return Text(" ".join(parts), colour(child.verdict) if child.verdict != "continue" else "")


def _changes(record: MessageRecord) -> Iterator[tuple[str, Change]]:
    for child in record.children.values():
        name = f"{child.name} (would)" if child.evaluated else child.name
        yield from ((name, change) for change in child.changes)


def _diff(name: str, change: Change) -> list[Text]:
    what = one_line(change.what)
    lines = {
        "add-recipient": [("+", f"recipient {what}")],
        "delete-recipient": [("-", f"recipient {what}")],
        "change-sender": [("+", f"sender {what}")],
        "replace-body": [("+", f"new body, {change.after}")],
    }.get(change.kind, [])
    if not lines:
        lines = [
            (sign, f"{what}: {one_line(text)}")
            for sign, text in (("-", change.before), ("+", change.after))
            if text
        ] or [("-", f"{what}:")]
    styles = {"+": "green", "-": "red"}
    return [Text.assemble((f"{name}: ", "dim"), (f"{sign} {text}", styles[sign])) for sign, text in lines]


def _end(record: MessageRecord) -> Text:
    where = f" at {record.stage}" if record.stage and record.verdict != "accept" else ""
    whose = f" by {record.by}" if record.by else ""
    said = f": {one_line(record.reply or record.held)}" if record.reply or record.held else "."
    took = f" {_ms(record.ms)} ms after MAIL." if record.ms else ""
    return Text.assemble(
        (f"{_ENDS.get(record.verdict, record.verdict)}{where}{whose}", f"bold {colour(record.verdict)}"),
        f"{said}{took}",
    )


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
