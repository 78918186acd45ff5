"""What was counted, put together: by the history, and by imports for times of which it has nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postmill.graphs.databases import Spans
from postmill.history.keeping import HOUR
from postmill.record import Tally


def joined(history: Spans, own: Spans, foreign: Spans) -> Spans:
    """Return spans that do not overlap.

    ``own`` was read in log lines of Postmill, so it is in the history already where that has anything;
    ``foreign`` was read in lines of another manager, about other mail.
    """
    parts = [*history.items(), *_elsewhere(own, history), *foreign.items()]
    by_the_hour = {start // HOUR for (start, length), _ in parts if length >= HOUR}
    whole: dict[tuple[int, int], Tally] = {}
    for (start, length), tally in parts:
        span = (start // HOUR * HOUR, HOUR) if start // HOUR in by_the_hour else (start, length)
        whole.setdefault(span, Tally()).merge(tally.as_dict())
    return whole


def _elsewhere(spans: Spans, taken: Iterable[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Tally]]:
    """Yield the spans that have nothing in common with those that are taken."""
    minutes = {start for start, length in taken if length < HOUR}
    hours = {start for start, length in taken if length >= HOUR}
    begun = {start // HOUR * HOUR for start, _ in taken}
    for (start, length), tally in spans.items():
        hour = start // HOUR * HOUR
        if hour in begun if length >= HOUR else start in minutes or hour in hours:
            continue
        yield (start, length), tally
