"""A report on some time: what a tally comes to for each child, as plain values for text, JSON and mail."""

from __future__ import annotations

from typing import Any

from postmill.record.tally import ChildTally, Counts, Tally, percentile, together

SHARES = (0.5, 0.9, 0.99)
"""Percentiles of times that a report has."""
_UNCHANGED = ("continue", "accept", "skip", "not-asked", "skipped")
"""Words of a child that leave a message as it was."""


def report_of(tally: Tally) -> dict[str, Any]:
    """Return a report: sessions, mail by verdict, and for each child what it said, how fast, and its faults.

    Times are milliseconds. ``would`` has of a child that is only evaluated for how many messages it made no
    difference, and what it would have done instead of what was done.
    """
    return {
        "sessions": tally.sessions,
        "messages": _ordered(tally.messages),
        "connections": _ordered(tally.connections),
        "tagged": _ordered(tally.tagged),
        "milters": {name: _child(child) for name, child in tally.children.items()},
    }


def _child(tally: ChildTally) -> dict[str, Any]:
    times = together(tally.times)
    concerned = sum(tally.verdicts.values())
    skipped = sum(tally.skipped.values())
    return {
        "asked": tally.asked,
        "verdicts": _ordered(tally.verdicts),
        "decided": _ordered(tally.decided),
        "skipped": _ordered(tally.skipped),
        "skipped_share": round(skipped / concerned, 4) if concerned else 0.0,
        "errors": _ordered(tally.errors),
        "ms": {_name(share): round(percentile(times, share), 3) for share in SHARES},
        "ms_at": {
            stage: {_name(share): round(percentile(histogram, share), 3) for share in SHARES}
            for stage, histogram in tally.times.items()
        },
        "would": _would(tally.evaluated),
    }


def _name(share: float) -> str:
    return f"p{share * 100:g}"


def _would(evaluated: Counts) -> dict[str, Any] | None:
    """Say where a child would have changed what was done; None of one that was not evaluated."""
    if not evaluated:
        return None
    indifferent = 0
    instead: Counts = {}
    for pair, count in evaluated.items():
        said, _, done = pair.partition("/")
        said = "accept" if said in _UNCHANGED else said
        if said in (done, "accept"):  # who does not object changes nothing
            indifferent += count
        else:
            key = f"{said} instead of {done}"
            instead[key] = instead.get(key, 0) + count
    return {"no_difference": indifferent, "instead": _ordered(instead)}


def _ordered(counts: Counts) -> Counts:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
