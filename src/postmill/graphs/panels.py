"""What is drawn: panels with the series in each, in sections, made of whatever series there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postmill.graphs.series import MOST_OPEN, TIMES, Series

VERDICTS = (
    *("accept", "continue", "skip", "quarantine", "tempfail", "reject", "discard", "shutdown"),
    *("lost", "error", "aborted", "disconnected", "skipped", "not-asked"),
)
"""In the order in which they lie upon each other."""
STAGES = ("negotiate", "connect", "helo", "mail", "rcpt", "data", "header", "end-of-header", "body")
LAST_STAGE = "end-of-message"
STACKED, LINES = "stacked", "lines"
MILLISECONDS, AT_ONCE = "milliseconds", "at once"


@dataclass(frozen=True, slots=True)
class Line:
    """One series in a panel."""

    series: Series
    label: str
    verdict: str = ""
    """The verdict that gives it its colour."""
    peak: bool = False
    """Of longer spans, the highest of their minutes counts, not the mean."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: counts upon each other, or lines of counts or times."""

    key: str
    """Unique in its section."""
    title: str
    note: str
    lines: tuple[Line, ...]
    style: str = STACKED
    unit: str = ""
    """What the numbers are; empty for counts, of which there are so many per minute, hour or day."""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels about all mail, or about one milter."""

    key: tuple[str, ...]
    title: str
    panels: tuple[Panel, ...]


def sections(series: Sequence[Series]) -> list[Section]:
    """Return what there is to draw: all mail first, then the milters by name."""
    tree: dict[str, dict[str, list[Series]]] = {}
    for one in series:
        if one[0] == "child" and len(one) >= 4:
            tree.setdefault(one[1], {}).setdefault(one[2], []).append(one)
    whole = Section(("all",), "All mail", tuple(_whole(series, tree)))
    milters = [
        Section(("milter", name), name, tuple(_milter(groups))) for name, groups in sorted(tree.items())
    ]
    return [section for section in (whole, *milters) if section.panels]


def _whole(series: Sequence[Series], tree: dict[str, dict[str, list[Series]]]) -> Iterator[Panel]:
    top: dict[str, list[Series]] = {}
    for one in series:
        top.setdefault(one[0], []).append(one)
    yield from _panel("messages", "Messages by verdict", "what the mail server was told", top.get("messages"))
    yield from _panel("sessions", "Sessions", "SMTP sessions that ended", top.get("sessions"))
    lines = tuple(
        Line(one, "most" if one == MOST_OPEN else "mean", peak=one == MOST_OPEN)
        for one in top.get("open", ())
    )
    if lines:
        note = "at once: the most that was seen, and the mean, counted when they ended"
        yield Panel("open", "Open sessions", note, lines, LINES, AT_ONCE)
    connections = "sessions without a message, by verdict"
    yield from _panel("connections", "Connections", connections, top.get("connections"))
    decided = [one for groups in tree.values() for one in groups.get("decided", ())]
    lines = tuple(Line(one, f"{one[1]}: {one[3]}") for one in decided)
    if lines:
        yield Panel("decided", "Who decided", "verdicts by the milter they came from", lines)
    last = [(TIMES, LAST_STAGE, "p95")]
    slowest = [one for groups in tree.values() for one in groups.get(TIMES, ()) if one[2:] in last]
    lines = tuple(Line(one, one[1]) for one in slowest)
    if lines:
        note = "95 of 100 messages were answered within"
        yield Panel("slowest", "Milters compared", note, lines, LINES, MILLISECONDS)
    yield from _panel(
        "findings", "What milters found", "read in the headers they added", top.get("findings"), LINES
    )
    yield from _panel("tagged", "Tagged mail", "messages by the header they got", top.get("tagged"), LINES)


def _milter(groups: dict[str, list[Series]]) -> Iterator[Panel]:
    yield from _panel("verdicts", "Verdicts", "its last word on each message", groups.get("verdicts"))
    times = groups.get(TIMES, [])
    last = tuple(Line(one, one[4]) for one in times if one[3] == LAST_STAGE)
    if last:
        yield Panel("times", "Time to the verdict", "at the end of the message", last, LINES, MILLISECONDS)
    stages = sorted((one for one in times if one[4] == "p95"), key=lambda one: _stage(one[3]))
    if stages:
        lines = tuple(Line(one, one[3]) for one in stages)
        yield Panel("stages", "Time by stage", "95 of 100 answers within", lines, LINES, MILLISECONDS)
    yield from _panel("skipped", "Left out", "by the condition that did it", groups.get("skipped"))
    yield from _panel("errors", "Faults", "by kind", groups.get("errors"))
    yield from _panel("findings", "Found", "read in the headers it added", groups.get("findings"), LINES)
    yield from _panel(
        "evaluated", "Evaluation", "its word / what the mail server was told", groups.get("evaluated")
    )


def _stage(name: str) -> int:
    return STAGES.index(name) if name in STAGES else len(STAGES)


def _panel(
    key: str, title: str, note: str, series: Sequence[Series] | None, style: str = STACKED, unit: str = ""
) -> Iterator[Panel]:
    if series:
        lines = (Line(one, one[-1], one[-1] if one[-1] in VERDICTS else "") for one in series)
        yield Panel(key, title, note, tuple(sorted(lines, key=_order)), style, unit)


def _order(line: Line) -> tuple[int, str]:
    return VERDICTS.index(line.verdict) if line.verdict else len(VERDICTS), line.label
