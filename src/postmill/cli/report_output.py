"""A report as text, as a page of HTML, and as a mail with both."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postmill.cli.record_output import colour, moment
from postmill.errors import RequestError

Values = Mapping[str, Any]
_HEADINGS = ("milter", "asked", "said", "decided", "left out", "errors", "ms p50/p90/p99")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#1c2430;"
    "background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse}"
    "th,td{text-align:left;vertical-align:top;padding:.35em 1.2em .35em 0;border-bottom:1px solid #d9dee6}"
    "th{color:#5a6676;font-weight:600}td{font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){body{background:#14181f;color:#e3e8ef}th{color:#93a0b2}"
    "th,td{border-color:#2c3440}}"
)
_WIDTH = 110


def show(report: Values, console: Console) -> None:
    """Print a report as text."""
    console.print(Text(_title(report), "bold"), soft_wrap=True)
    for name, text in _sums(report):
        console.print(Text.assemble((f"{name:15}", "bold"), text), soft_wrap=True)
    if not report["milters"]:
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading == "asked" else "left", overflow="fold")
    for name, milter in report["milters"].items():
        cells = _cells(name, milter)
        table.add_row(Text(cells[0], "bold"), *cells[1:])
    console.print()
    console.print(table)
    for remark in _remarks(report):
        console.print(Text(remark, colour("quarantine")), soft_wrap=True)


def as_html(report: Values) -> str:
    """Return a page that stands by itself."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(name, milter)) + "</tr>"
        for name, milter in report["milters"].items()
    )
    headings = "".join(f"<th>{escape(heading)}</th>" for heading in _HEADINGS)
    sums = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in _sums(report))
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in _remarks(report))
    milters = f"<h2>Milters</h2><table><tr>{headings}</tr>{rows}</table>" if rows else ""
    title = escape(_title(report))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1><table>{sums}</table>{milters}{remarks}</body></html>"
    )


def as_mail(report: Values, to: str, sender: str | None) -> str:
    """Return a whole mail with text and HTML; raises RequestError for an address that is none."""
    text = io.StringIO()
    show(report, Console(file=text, width=_WIDTH, no_color=True, highlight=False))
    mail = EmailMessage()
    try:
        mail["To"] = to
        if sender:
            mail["From"] = sender
        mail["Subject"] = f"{_title(report)}: {_counts(report['messages']) or 'no mail'}"
        parts = [*mail["To"].addresses, *(mail["From"].addresses if sender else ())]
    except ValueError as error:
        raise RequestError(f"no mail address: {error}") from error
    if not all(part.username and part.domain for part in parts) or not mail["To"].addresses:
        raise RequestError(f"no mail address: {to if sender is None else f'{to}, {sender}'}")
    mail["Date"] = format_datetime(datetime.fromtimestamp(report["until"]).astimezone())
    mail["Message-ID"] = make_msgid(domain="postmill.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.getvalue())
    mail.add_alternative(as_html(report), subtype="html")
    return mail.as_string()


def _title(report: Values) -> str:
    return f"Postmill from {moment(report['since'])} to {moment(report['until'])}"


def _sums(report: Values) -> Iterator[tuple[str, str]]:
    yield "sessions", f"{report['sessions']:,}"
    yield "messages", _total(report["messages"])
    if report["connections"]:
        yield "before mail", _total(report["connections"])
    if report["tagged"]:
        yield "headers added", _counts(report["tagged"])


def _total(counts: Mapping[str, int]) -> str:
    whole = sum(counts.values())
    shares = (f"{name} {count:,} ({count / whole:.1%})" for name, count in counts.items())
    return f"{whole:,}: {', '.join(shares)}" if whole else "none"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _cells(name: str, milter: Values) -> Sequence[str]:
    left_out = _counts(milter["skipped"])
    ms = milter["ms"]
    return (
        name + (" (evaluated)" if milter["would"] else ""),
        f"{milter['asked']:,}",
        _counts({word: count for word, count in milter["verdicts"].items() if word != "skipped"}),
        _counts(milter["decided"]),
        f"{left_out} ({milter['skipped_share']:.1%})" if left_out else "",
        _counts(milter["errors"]),
        "/".join(_ms(ms[share]) for share in ("p50", "p90", "p99")) if milter["asked"] else "",
    )


def _remarks(report: Values) -> Iterator[str]:
    for name, milter in report["milters"].items():
        would = milter["would"]
        if would:
            instead = _counts(would["instead"])
            changed = f"would have said {instead}" if instead else "would have changed nothing"
            yield f"{name} was only evaluated: it {changed}; no difference for {would['no_difference']:,}."


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
