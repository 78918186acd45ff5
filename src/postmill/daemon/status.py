"""The status of the whole daemon as plain values: what the parent knows and what its workers report, summed.

This is what ``postmill status --json`` prints; docs/control.md says what each value means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postmill.config.settings import ChildSettings, Settings
from postmill.daemon.crew import Crew
from postmill.daemon.overrides import Overrides, mode_in
from postmill.daemon.report import DOWN, LEFT_ALONE, UNTRIED
from postmill.daemon.survey import Reports
from postmill.record import ChildTally, Tally, percentile

OFF = "off"
TROUBLED = (DOWN, LEFT_ALONE)
_TRUST = ("refused", "proven", "trying", "untried")
"""What links are trusted with, where workers differ: the first of these."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the parent knows when it puts a status together."""

    facts: Values
    """Plain values that go into the status as they are."""
    settings: Settings
    """Those of the file."""
    overrides: Overrides
    crew: Crew
    past: Tally
    """What workers have counted that are no more."""


def status(now: Situation, reports: Reports) -> dict[str, Any]:
    """Return the status, given what the workers reported that answered in time."""
    tally = Tally()
    for counted in (now.past.as_dict(), *(report["tally"] for report in reports.values())):
        tally.merge(counted)
    everybody = [report["children"] for report in reports.values()]
    serving = [reports[pid]["children"] for pid in now.crew.serving if pid in reports] or everybody
    milters = now.overrides.over(now.settings).children
    return {
        **now.facts,
        "log_level": _log_level(now),
        "workers": [*_workers(now.crew, reports)],
        "sessions": sum(report["sessions"] for report in reports.values()),
        "messages": tally.messages,
        "connections": tally.connections,
        "tally": tally.as_dict(),
        "milters": [
            {
                "name": milter.name,
                "socket": milter.where,
                **_mode(now, milter),
                **_state(milter, _of(milter, serving)),
                **_links(_of(milter, everybody)),
                **_counts(tally.child(milter.name)),
            }
            for milter in milters
        ],
    }


def _log_level(now: Situation) -> dict[str, Any]:
    override = now.overrides.log_level
    in_file = now.settings.log.level
    return {
        "level": in_file if override is None else override.value,
        "overridden": None if override is None else {**override.as_dict(), "in_file": in_file},
    }


def _workers(crew: Crew, reports: Reports) -> Iterable[dict[str, Any]]:
    for one in crew.all:
        report = reports.get(one.pid)
        yield {
            "pid": one.pid,
            "since": round(one.since, 3),
            "state": "serving" if one.pid in crew.serving else "finishing",
            "answers": report is not None,
            "sessions": None if report is None else report["sessions"],
        }


def _of(milter: ChildSettings, workers: Iterable[Values]) -> list[Values]:
    return [children[milter.name] for children in workers if milter.name in children]


def _mode(now: Situation, milter: ChildSettings) -> dict[str, Any]:
    override = now.overrides.modes.get(milter.name)
    in_file = mode_in(now.settings, milter.name)
    return {
        "mode": milter.mode,
        "overridden": None if override is None else {**override.as_dict(), "in_file": in_file},
    }


def _state(milter: ChildSettings, said: Sequence[Values]) -> dict[str, Any]:
    """Return where a milter stands: what that worker says which has heard of it last."""
    if milter.mode == OFF or not said:
        return {"state": OFF if milter.mode == OFF else UNTRIED, "until": None, "error": None}
    newest = max(said, key=lambda child: float(child["at"]))
    errors = [child["error"] for child in said if child["error"] is not None]
    return {
        "state": newest["state"],
        "until": newest["until"],
        "error": max(errors, key=lambda error: float(error["at"])) if errors else None,
    }


def _links(said: Sequence[Values]) -> dict[str, Any]:
    pools = [child["pool"] for child in said if child["pool"] is not None]
    pool = None
    if pools:
        trust = min((one["trust"] for one in pools), key=_TRUST.index)
        why = next((one["why"] for one in pools if one["trust"] == trust), "")
        pool = {"idle": sum(one["idle"] for one in pools), "trust": trust, "why": why}
    return {
        "links": sum(child["links"] for child in said),
        "queued": sum(child["queued"] for child in said),
        "pool": pool,
    }


def _counts(tally: ChildTally) -> dict[str, Any]:
    return {
        "asked": tally.asked,
        "verdicts": tally.verdicts,
        "errors": tally.errors,
        "latency": {
            stage: {
                "count": sum(times.values()),
                "p50": round(percentile(times, 0.5), 3),
                "p99": round(percentile(times, 0.99), 3),
            }
            for stage, times in tally.times.items()
        },
    }
