"""Counting what records say: messages by verdict, and for each child its verdicts, faults and times.

A tally is fed every finished record and nothing else; whoever wants numbers reads a tally, and nobody else
counts. It is made of plain values, so that a worker can hand it to its parent, which adds several up.

Times are kept as a histogram with four classes for each doubling, so a percentile is right within a tenth,
takes no memory for each message, and can be added up over processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, log2
from typing import Any

from postmill.record.change import Change
from postmill.record.findings import findings_of
from postmill.record.value import ChildRecord, MessageRecord

Counts = dict[str, int]
Histogram = dict[int, int]
"""Class of time to how many answers fell into it."""

CLASSES = 4
"""Classes for each doubling of the time."""
_LOST = "lost:"
_DELIVERED = ("accept", "quarantine")
_TAGGING = ("add-header", "insert-header")
MOST_TAGS = 200
"""Names of headers that are counted, lest a child that makes names up fill the memory."""


class ChildTally:
    """What one child did."""

    __slots__ = (
        *("asked", "decided", "errors", "evaluated", "findings", "heard", "skipped", "times", "verdicts"),
    )

    def __init__(self) -> None:
        self.asked = 0
        """Messages that it was asked about, or connections that ended before any."""
        self.verdicts: Counts = {}
        """Its last word on each of them."""
        self.decided: Counts = {}
        """Verdict to how often it was this child's that the MTA was told."""
        self.skipped: Counts = {}
        """Name of a condition to how often it left the child out."""
        self.evaluated: Counts = {}
        """While it was only evaluated: its word, and after a slash the verdict that the MTA was told."""
        self.errors: Counts = {}
        """Kind of fault to how often it was lost by it."""
        self.findings: Counts = {}
        """What its headers said of messages that passed, see ``record.findings``."""
        self.times: dict[str, Histogram] = {}
        """Stage to the times of its answers there."""
        self.heard = 0.0
        """When a message ended in which it was not lost; 0 when there was none."""

    def add(self, record: ChildRecord, now: float, message: MessageRecord) -> None:
        """Count what a child had to do with a message that ended at ``now``."""
        verdict = record.verdict
        answers = record.answers[record.repeated :] if record.repeated else record.answers
        if record.answers:
            self.asked += 1
        times = self.times
        for stage, said, ms, *_ in answers:
            if said.startswith(_LOST):
                kind = said[len(_LOST) :]
                _count(self.errors, kind)
                continue
            histogram = times.get(stage)
            if histogram is None:
                histogram = times[stage] = {}
            place = int(log2(ms * 1000) * CLASSES) if ms > 0.001 else 0
            histogram[place] = histogram.get(place, 0) + 1
        if verdict.startswith(_LOST):
            verdict = "lost"
        elif answers:
            self.heard = now
        _count(self.verdicts, verdict)
        if message.by == record.name:
            _count(self.decided, message.verdict)
        if verdict == "skipped" and record.skipped is not None:
            _count(self.skipped, record.skipped.name)
        if record.evaluated:
            _count(self.evaluated, f"{verdict}/{message.verdict}")


class Tally:
    """What all records so far say."""

    __slots__ = (
        *("children", "connections", "findings", "messages", "most_open", "open_seconds", "sessions"),
        "tagged",
    )

    def __init__(self) -> None:
        self.sessions = 0
        """SMTP sessions that are over."""
        self.open_seconds = 0.0
        """How long they were open, together; divided by a span's seconds: how many were open at once."""
        self.most_open = 0
        """The most sessions of all workers that were seen open at once, on any one host."""
        self.messages: Counts = {}
        """Verdict to how many messages had it."""
        self.connections: Counts = {}
        """Verdict to how many connections had it before there was a message."""
        self.tagged: Counts = {}
        """Name of a header to how many messages that passed got it; the first ``MOST_TAGS`` names."""
        self.findings: Counts = {}
        """What added headers said to how many messages that passed, see ``record.findings``."""
        self.children: dict[str, ChildTally] = {}

    def add(self, record: MessageRecord, now: float) -> None:
        """Count one record, finished at ``now``."""
        counts = self.connections if record.sender is None else self.messages
        _count(counts, record.verdict)
        for name, child in record.children.items():
            self.child(name).add(child, now, record)
        if record.verdict in _DELIVERED:
            self._add_headers(record)

    def _add_headers(self, record: MessageRecord) -> None:
        headers: set[str] = set()
        findings: set[str] = set()
        for name, child in record.children.items():
            added = _headers_of(child)
            if not added:
                continue
            headers.update(change.what for change in added)
            found = {word for change in added for word in findings_of(change.what, change.after)}
            _count_all(self.children[name].findings, found)
            findings |= found
        _count_all(self.findings, findings)
        for header in headers:
            self._tag(header, 1)

    def _tag(self, header: str, count: int) -> None:
        if header in self.tagged or len(self.tagged) < MOST_TAGS:
            self.tagged[header] = self.tagged.get(header, 0) + count

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
        return {
            "sessions": self.sessions,
            "open_seconds": round(self.open_seconds, 3),
            "most_open": self.most_open,
            "messages": self.messages,
            "connections": self.connections,
            "tagged": self.tagged,
            "findings": self.findings,
            "children": children,
        }

    def since(self, before: Mapping[str, Any]) -> Tally:
        """Return what was counted after ``as_dict`` gave ``before``; what fell since, as nothing."""
        later = Tally()
        later.merge({**_less(self.as_dict(), before), "most_open": self.most_open})
        return later

    def merge(self, other: Mapping[str, Any]) -> None:
        """Add what ``as_dict`` gave of another tally, whether or not it has been JSON in between."""
        self.sessions += other["sessions"]
        self.open_seconds += other.get("open_seconds", 0.0)
        self.most_open = max(self.most_open, other.get("most_open", 0))
        _sum(self.messages, other["messages"])
        _sum(self.connections, other["connections"])
        for header, count in other["tagged"].items():
            self._tag(header, count)
        _sum(self.findings, other.get("findings", {}))
        for name, theirs in other["children"].items():
            child = self.child(name)
            child.asked += theirs["asked"]
            child.heard = max(child.heard, theirs["heard"])
            for counts in ("verdicts", "decided", "skipped", "evaluated", "errors"):
                _sum(getattr(child, counts), theirs[counts])
            _sum(child.findings, theirs.get("findings", {}))
            for stage, histogram in theirs["times"].items():
                times = child.times.setdefault(stage, {})
                for place, count in histogram.items():
                    number = int(place)
                    times[number] = times.get(number, 0) + count


def _headers_of(child: ChildRecord) -> Sequence[Change]:
    """Return the headers that a child added."""
    if not child.changes or child.evaluated:
        return ()
    return [change for change in child.changes if change.kind in _TAGGING]


def _count(counts: Counts, key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _less(now: Mapping[Any, Any], before: Mapping[Any, Any]) -> dict[str, Any]:
    """Subtract number by number; keys that were numbers are texts after JSON."""
    earlier = {str(key): value for key, value in before.items()}
    return {
        str(key): _less(value, earlier.get(str(key), {}))
        if isinstance(value, Mapping)
        else max(0, value - earlier.get(str(key), 0))
        for key, value in now.items()
    }


def _count_all(counts: Counts, keys: Iterable[str]) -> None:
    for key in keys:
        _count(counts, key)


def _sum(into: dict[str, int], counts: Mapping[str, int]) -> None:
    for key, count in counts.items():
        into[key] = into.get(key, 0) + count


def together(times: Mapping[str, Histogram]) -> Histogram:
    """Return the times of all stages as one histogram."""
    whole: Histogram = {}
    for histogram in times.values():
        for place, count in histogram.items():
            whole[place] = whole.get(place, 0) + count
    return whole


def percentile(histogram: Histogram, share: float) -> float:
    """Return the milliseconds within which ``share`` (0 to 1) of the answers came; 0 when there are none."""
    wanted = share * sum(histogram.values())
    if not wanted:
        return 0.0
    seen = 0
    for place in sorted(histogram):
        seen += histogram[place]
        if seen >= wanted:
            return _middle(place)
    return 0.0


def spent(histogram: Histogram) -> float:
    """Return the milliseconds that all answers together took, right within a tenth.

    It never goes down while answers are added, whatever their order: ``fsum`` rounds once.
    """
    return fsum(_middle(place) * count for place, count in histogram.items())


def _middle(place: int) -> float:
    """Return the milliseconds in the middle of a class."""
    return float(2 ** ((place + 0.5) / CLASSES) / 1000)
