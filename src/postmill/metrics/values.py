"""The value of each metric, read off a status (docs/control.md): labels and number, or a histogram.

Counts that matter when they move begin with 0, so that the first fault after a start is seen to move, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from postmill.record import Histogram, Tally

MESSAGE_VERDICTS = ("accept", "reject", "tempfail", "discard", "quarantine", "shutdown", "aborted")
MILTER_VERDICTS = (
    *("continue", "accept", "reject", "tempfail", "discard", "quarantine", "shutdown", "lost"),
    *("skipped", "not-asked"),
)
FAULTS = (
    *("connect", "timeout", "closed", "protocol", "config", "breaker", "busy", "spool"),
    *("condition", "filter"),
)
STATES = ("up", "down", "left-alone", "untried", "off")
MODES = ("enforce", "evaluate", "off")
DAEMON_STATES = ("serving", "draining", "stopping")
WORKER_STATES = ("serving", "finishing")

Labels = tuple[str, ...]


class Seen(NamedTuple):
    """A status, and the tally in it."""

    status: Mapping[str, Any]
    tally: Tally

    @property
    def milters(self) -> list[Mapping[str, Any]]:
        """Return the milters of the configuration."""
        return list(self.status["milters"])


Read = Callable[[Seen], Iterable[tuple[Labels, float]]]
ReadTimes = Callable[[Seen], Iterable[tuple[Labels, Histogram]]]


def seen(status: Mapping[str, Any]) -> Seen:
    """Return a status as the functions here read it."""
    tally = Tally()
    for milter in status["milters"]:
        tally.child(milter["name"])
    tally.merge(status["tally"])
    return Seen(status, tally)


def single(read: Callable[[Seen], float]) -> Read:
    """Return what gives one number without labels."""
    return lambda seen: [((), read(seen))]


def counts(read: Callable[[Tally], Mapping[str, int]], words: Iterable[str] = ()) -> Read:
    """Return what gives counts by a word, those of ``words`` always."""
    return lambda seen: _counted((), read(seen.tally), words)


def milter_counts(field: str, words: Iterable[str] = ()) -> Read:
    """Return what gives counts of every milter by a word, those of ``words`` always."""

    def read(seen: Seen) -> Iterator[tuple[Labels, float]]:
        for name, child in seen.tally.children.items():
            yield from _counted((name,), getattr(child, field), words)

    return read


def milter_numbers(member: str) -> Read:
    """Return what gives a number that each milter of the configuration has in the status."""
    return lambda seen: [((milter["name"],), milter[member]) for milter in seen.milters]


def milter_words(member: str, words: Iterable[str]) -> Read:
    """Return what gives, for each milter of the configuration, 1 for its word and 0 for the others."""
    return lambda seen: [
        ((milter["name"], word), float(milter[member] == word)) for milter in seen.milters for word in words
    ]


def _counted(
    labels: Labels, found: Mapping[str, int], words: Iterable[str]
) -> Iterator[tuple[Labels, float]]:
    for word, count in {**dict.fromkeys(words, 0), **found}.items():
        yield (*labels, word), count


def build(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give the version."""
    yield (seen.status["postmill"],), 1


def state(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give 1 for the daemon's state."""
    for word in DAEMON_STATES:
        yield (word,), float(seen.status["state"] == word)


def workers(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give the worker processes in each state."""
    for word in WORKER_STATES:
        yield (word,), sum(worker["state"] == word for worker in seen.status["workers"])


def asked(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give how many messages each milter was asked about."""
    for name, child in seen.tally.children.items():
        yield (name,), child.asked


def evaluated(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give what milters in evaluation said, and what the MTA was told."""
    for name, child in seen.tally.children.items():
        for words, count in child.evaluated.items():
            said, _, told = words.partition("/")
            yield (name, said, told), count


def overridden(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give whether an operator has set a milter's mode."""
    for milter in seen.milters:
        yield (milter["name"],), float(milter["overridden"] is not None)


def pooled(seen: Seen) -> Iterator[tuple[Labels, float]]:
    """Give the idle links of milters with a pool."""
    for milter in seen.milters:
        if milter["pool"] is not None:
            yield (milter["name"],), milter["pool"]["idle"]


def times(seen: Seen) -> Iterator[tuple[Labels, Histogram]]:
    """Give the times of each milter's answers at each stage."""
    for name, child in seen.tally.children.items():
        for stage, histogram in child.times.items():
            yield (name, stage), histogram
