"""Counting what records say: messages by verdict, and for each child its verdicts, faults and times.

A tally is fed every finished record and nothing else; whoever wants numbers reads a tally, and nobody else
counts. It is made of plain values, so that a worker can hand it to its parent, which adds several up.

Times are kept as a histogram with four classes for each doubling, so a percentile is right within a tenth,
takes no memory for each message, and can be added up over processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any, TypeVar

from postmill.record.value import ChildRecord, MessageRecord

Counts = dict[str, int]
Histogram = dict[int, int]
"""Class of time to how many answers fell into it."""

_CLASSES = 4
"""Classes for each doubling of the time."""
_LOST = "lost:"
K = TypeVar("K")


class ChildTally:
    """What one child did."""

    __slots__ = ("asked", "errors", "heard", "times", "verdicts")

    def __init__(self) -> None:
        self.asked = 0
        """Messages that it was asked about, or connections that ended before any."""
        self.verdicts: Counts = {}
        """Its last word on each of them."""
        self.errors: Counts = {}
        """Kind of fault to how often it was lost by it."""
        self.times: dict[str, Histogram] = {}
        """Stage to the times of its answers there."""
        self.heard = 0.0
        """When a message ended in which it was not lost; 0 when there was none."""

    def add(self, record: ChildRecord, now: float) -> None:
        """Count what a child had to do with a message that ended at ``now``."""
        verdict = record.verdict
        answers = record.answers[record.repeated :] if record.repeated else record.answers
        if record.answers:
            self.asked += 1
        times = self.times
        for stage, said, ms, *_ in answers:
            if said.startswith(_LOST):
                kind = said[len(_LOST) :]
                self.errors[kind] = self.errors.get(kind, 0) + 1
                continue
            histogram = times.get(stage)
            if histogram is None:
                histogram = times[stage] = {}
            place = int(log2(ms * 1000) * _CLASSES) if ms > 0.001 else 0
            histogram[place] = histogram.get(place, 0) + 1
        if verdict.startswith(_LOST):
            verdict = "lost"
        elif answers:
            self.heard = now
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1


class Tally:
    """What all records so far say."""

    __slots__ = ("children", "connections", "messages")

    def __init__(self) -> None:
        self.messages: Counts = {}
        """Verdict to how many messages had it."""
        self.connections: Counts = {}
        """Verdict to how many connections had it before there was a message."""
        self.children: dict[str, ChildTally] = {}

    def add(self, record: MessageRecord, now: float) -> None:
        """Count one record, finished at ``now``."""
        counts = self.connections if record.sender is None else self.messages
        counts[record.verdict] = counts.get(record.verdict, 0) + 1
        for name, child in record.children.items():
            self.child(name).add(child, now)

    def child(self, name: str) -> ChildTally:
        """Return the tally of a child, an empty one if nothing was counted."""
        tally = self.children.get(name)
        if tally is None:
            tally = self.children[name] = ChildTally()
        return tally

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``merge`` takes them."""
        children = {
            name: {field: getattr(child, field) for field in ChildTally.__slots__}
            for name, child in self.children.items()
        }
        return {"messages": self.messages, "connections": self.connections, "children": children}

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what ``as_dict`` gave of another tally, whether or not it has been JSON in between."""
        _sum(self.messages, other["messages"])
        _sum(self.connections, other["connections"])
        for name, theirs in other["children"].items():
            child = self.child(name)
            child.asked += theirs["asked"]
            child.heard = max(child.heard, theirs["heard"])
            _sum(child.verdicts, theirs["verdicts"])
            _sum(child.errors, theirs["errors"])
            for stage, histogram in theirs["times"].items():
                counts = {int(place): count for place, count in histogram.items()}
                _sum(child.times.setdefault(stage, {}), counts)


def _sum(into: dict[K, int], counts: Mapping[K, int]) -> None:
    for key, count in counts.items():
        into[key] = into.get(key, 0) + count


def percentile(histogram: Histogram, share: float) -> float:
    """Return the milliseconds within which ``share`` (0 to 1) of the answers came; 0 when there are none."""
    wanted = share * sum(histogram.values())
    seen = 0
    for place in sorted(histogram):
        seen += histogram[place]
        if seen >= wanted:
            return float(2 ** ((place + 0.5) / _CLASSES) / 1000)
    return 0.0
