"""Charts as values: bars that are stacked, and lines on a logarithmic scale; a template makes SVG of them.

The drawing is one unit wide for each step and 100 high, and is stretched over the place that it has; all
words are outside of it, so that they are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, log10

from postmill.record import Tally, percentile
from postmill.web.archive import Period
from postmill.web.shown import milliseconds, number

HEIGHT = 100.0
VERDICTS = ("accept", "quarantine", "discard", "reject", "tempfail", "shutdown", "aborted")
"""In the order in which they are stacked."""
WORDS = ("continue", "accept", "skipped", "quarantine", "discard", "reject", "tempfail", "shutdown", "lost")
"""What a milter may have said last, in that order."""
_GAP = 0.14
_LABELS = 5
_ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a bar."""

    name: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of time: where it is drawn, its label, and its values in words."""

    x: float
    width: float
    label: str
    values: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line, as the data of an SVG path."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; ``scale`` labels heights from the top down, ``times`` moments from left to right."""

    steps: tuple[Step, ...]
    names: tuple[tuple[str, str], ...]
    """What is in it, each with its sum or its typical value."""
    scale: tuple[str, ...]
    times: tuple[str, ...]
    lines: tuple[Line, ...] = ()

    @property
    def width(self) -> int:
        """How many units wide it is."""
        return len(self.steps)


Spans = Mapping[int, Tally]


def starts(period: Period, now: float) -> list[int]:
    """Return when each step of a period begins."""
    first = period.first(now)
    return [*range(first, first + period.length, period.step)]


def bars(spans: Mapping[int, Mapping[str, int]], period: Period, now: float, order: Iterable[str]) -> Chart:
    """Return stacked bars of counts."""
    moments = starts(period, now)
    counts = [spans.get(start, {}) for start in moments]
    names = tuple(name for name in order if any(each.get(name) for each in counts))
    top = _nice(max((sum(each.get(name, 0) for name in names) for each in counts), default=0))
    return Chart(
        tuple(_bar(place, moments[place], each, names, top, period) for place, each in enumerate(counts)),
        tuple((name, number(sum(each.get(name, 0) for each in counts))) for name in names),
        (number(top), number(top / 2), "0"),
        _times(moments, period),
    )


def _bar(
    place: int, start: int, counts: Mapping[str, int], names: Sequence[str], top: float, period: Period
) -> Step:
    parts = []
    y = HEIGHT
    for name in names:
        if counts.get(name):
            height = HEIGHT * counts[name] / top
            y -= height
            parts.append(Part(name, round(y, 2), round(height, 2)))
    values = tuple((name, number(counts.get(name, 0))) for name in names)
    return Step(place + _GAP / 2, 1 - _GAP, _label(start, period), values, tuple(parts))


def latencies(spans: Spans, child: str, stage: str, period: Period, now: float) -> Chart:
    """Return lines of how long a child took at a stage: half of its answers, and 99 of 100."""
    moments = starts(period, now)
    found = [_percentiles(spans.get(start), child, stage) for start in moments]
    known = [value for pair in found if pair for value in pair]
    low = floor(log10(min(known))) if known else 0
    high = max(low + 1, ceil(log10(max(known)))) if known else 1
    steps = tuple(
        Step(
            place,
            1,
            _label(start, period),
            (("p50", milliseconds(pair[0])), ("p99", milliseconds(pair[1]))) if pair else (),
        )
        for place, (start, pair) in enumerate(zip(moments, found, strict=True))
    )
    lines = tuple(
        Line(name, _path([pair[index] if pair else None for pair in found], low, high))
        for index, name in enumerate(("p50", "p99"))
    )
    marks = 2 * (high - low) if high - low < 3 else high - low
    scale = tuple(milliseconds(10 ** (high - (high - low) * mark / marks)) for mark in range(marks + 1))
    return Chart(steps, (("p50", ""), ("p99", "")) if known else (), scale, _times(moments, period), lines)


def _percentiles(tally: Tally | None, child: str, stage: str) -> tuple[float, float] | None:
    times = tally.children[child].times.get(stage) if tally is not None and child in tally.children else None
    return (percentile(times, 0.5), percentile(times, 0.99)) if times else None


def _path(values: Sequence[float | None], low: int, high: int) -> str:
    """Return path data with a level piece for each step, and a gap where there is no value."""
    words = []
    drawing = False
    for place, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        y = HEIGHT * (high - log10(value)) / (high - low)
        words.append(f"{'L' if drawing else 'M'}{place + 0.2:g} {y:.2f}H{place + 0.8:g}")
        drawing = True
    return "".join(words)


def _nice(most: float) -> float:
    """Return a round number that is not less, and whose half is a whole one."""
    if most <= 10:
        return max(2, most + most % 2)
    power = 10.0 ** floor(log10(most))
    return next(factor * power for factor in _ROUND if factor * power >= most)


def _label(start: int, period: Period) -> str:
    local = datetime.fromtimestamp(start)
    return local.strftime("%H:%M") if period.length <= 86400 else local.strftime("%a %d %b, %H:%M")


def _times(moments: Sequence[int], period: Period) -> tuple[str, ...]:
    form = "%H:%M" if period.length <= 86400 else "%d %b"
    places = [round(place * (len(moments) - 1) / (_LABELS - 1)) for place in range(_LABELS)]
    return tuple(datetime.fromtimestamp(moments[place]).strftime(form) for place in places)


def total(spans: Spans) -> Tally:
    """Return the sum of all."""
    whole = Tally()
    for tally in spans.values():
        whole.merge(tally.as_dict())
    return whole


def slowest_stage(times: Mapping[str, Mapping[int, int]]) -> str:
    """Return the stage at which a child takes its time: the end of the message, if it is asked there."""
    if "end-of-message" in times:
        return "end-of-message"
    return max(times, key=lambda stage: percentile(dict(times[stage]), 0.99), default="")
