"""A status as people read it: a few lines on the daemon, a table of milters, a table of their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Values = Mapping[str, Any]

STATES = {
    "up": "green",
    "down": "red",
    "left-alone": "bold red",
    "untried": "dim",
    "off": "dim",
    "serving": "green",
    "draining": "yellow",
    "stopping": "yellow",
}
_STAGES = (
    *("negotiate", "connect", "helo", "mail", "rcpt", "data", "unknown"),
    *("header", "end-of-header", "body", "end-of-message"),
)
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def show(status: Values, console: Console) -> None:
    """Print a status."""
    for name, text in _head(status):
        console.print(Text.assemble((f"{name:14}", "bold"), text), soft_wrap=True)
    if status["milters"]:
        console.print()
        console.print(_milters(status))
    for text in _remarks(status):
        console.print(text, soft_wrap=True)
    if any(milter["latency"] for milter in status["milters"]):
        console.print()
        console.print(_times(status["milters"]))


def _head(status: Values) -> Iterator[tuple[str, Text]]:
    now = status["time"]
    state = Text(status["state"], STATES[status["state"]])
    process = f"{status['postmill']}, process {status['pid']} of {status['user']}"
    yield "Postmill", Text.assemble(process, f", up {_span(now - status['started'])}, ", state)
    file = status["configuration"]
    yield "configuration", Text(f"{file['file']}, in force for {_span(now - file['since'])}")
    yield "listening on", Text(", ".join(status["listen"]) or "sockets that were handed over")
    yield "workers", _workers(status["workers"])
    yield "sessions", Text(str(status["sessions"]))
    counts = _counts(status["messages"]) or "none yet"
    early = _counts(status["connections"])
    yield "messages", Text(counts + (f"; connections without one: {early}" if early else ""))
    level = status["log_level"]
    yield "log level", Text(level["level"] + _overridden(level, now))


def _workers(workers: Sequence[Values]) -> Text:
    serving = [one for one in workers if one["state"] == "serving"]
    finishing = [one for one in workers if one["state"] == "finishing"]
    text = Text(f"{len(serving)} serving")
    if finishing:
        sessions = sum(one["sessions"] or 0 for one in finishing)
        text.append(f", {len(finishing)} finishing {sessions} sessions")
    for one in workers:
        if not one["answers"]:
            text.append(f"; process {one['pid']} does not answer", "bold red")
    return text


def _overridden(value: Values, now: float) -> str:
    override = value["overridden"]
    if override is None:
        return ""
    return f" (set by {override['by']} {_span(now - override['at'])} ago; file: {override['in_file']})"


def _milters(status: Values) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("milter", "mode", "state"):
        table.add_column(name, overflow="fold")
    for name in ("links", "asked"):
        table.add_column(name, justify="right")
    for name in ("verdicts", "errors"):
        table.add_column(name, overflow="fold")
    for milter in status["milters"]:
        mode = milter["mode"] + ("*" if milter["overridden"] else "")
        table.add_row(
            Text(milter["name"], "bold"),
            Text(mode, "yellow" if milter["overridden"] else ""),
            _state(milter, status["time"]),
            _links(milter),
            str(milter["asked"]),
            _counts(milter["verdicts"]),
            Text(_counts(milter["errors"]), "red"),
        )
    return table


def _state(milter: Values, now: float) -> Text:
    state = milter["state"]
    if state == "left-alone" and milter["until"] is not None:
        left = milter["until"] - now
        when = f"for {left:.1f} s" if left > 0 else "until the next session"
        return Text(f"left alone {when}", STATES[state])
    return Text(state, STATES[state])


def _links(milter: Values) -> str:
    parts = [str(milter["links"])]
    if milter["queued"]:
        parts.append(f"{milter['queued']} queued")
    if milter["pool"] is not None:
        parts.append(f"{milter['pool']['idle']} kept")
    return ", ".join(parts)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _remarks(status: Values) -> Iterator[Text]:
    """Say of each milter what does not go into the table."""
    now = status["time"]
    for milter in status["milters"]:
        name = milter["name"]
        if milter["overridden"]:
            yield Text(f"* {name}: {milter['mode']}{_overridden(milter, now)}", "yellow")
        if milter["state"] in ("down", "left-alone") and milter["error"]:
            yield Text(
                f"! {name}: {milter['error']['text']}, {_span(now - milter['error']['at'])} ago", "red"
            )
        pool = milter["pool"]
        if pool is not None and pool["trust"] == "refused":
            yield Text(f"  {name}: its links are not kept: {pool['why']}")


def _times(milters: Sequence[Values]) -> Table:
    stages = [stage for stage in _STAGES if any(stage in milter["latency"] for milter in milters)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("ms, p50/p99", overflow="fold")
    for stage in stages:
        table.add_column(stage, justify="right")
    for milter in milters:
        if milter["latency"]:
            cells = [_time(milter["latency"].get(stage)) for stage in stages]
            table.add_row(Text(milter["name"], "bold"), *cells)
    return table


def _time(latency: Values | None) -> str:
    return f"{_ms(latency['p50'])}/{_ms(latency['p99'])}" if latency else "-"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _span(seconds: float) -> str:
    """Say a time in its two largest units."""
    left = max(0, int(seconds))
    parts = []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or "0 s"
