"""What several workers say, made into one status."""

from __future__ import annotations

import selectors
import socket
from typing import Any

import pytest

from postmill.config import MilterSettings, Settings
from postmill.daemon.crew import Crew, Worker
from postmill.daemon.overrides import Overrides
from postmill.daemon.status import Situation, status
from postmill.record import Answer, ChildRecord, MessageRecord, Tally
from postmill.wire.endpoint import Endpoint

SPAM = MilterSettings(name="spam", socket=Endpoint("unix", "/spam"))


def child(state: str = "up", at: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "state": state,
        "at": at,
        "until": None,
        "error": None,
        "links": 0,
        "queued": 0,
        "pool": None,
        **more,
    }


def tally(*verdicts: str) -> Tally:
    counted = Tally()
    for verdict in verdicts:
        answers = [Answer("mail", verdict, 2.0)]
        counted.add(
            MessageRecord(sender="<a@x>", verdict=verdict, children={"spam": ChildRecord("spam", answers)}),
            1.0,
        )
    return counted


def report(
    spam: dict[str, Any] | None = None, counted: Tally | None = None, sessions: int = 0
) -> dict[str, Any]:
    children = {} if spam is None else {"spam": spam}
    return {"sessions": sessions, "children": children, "tally": (counted or Tally()).as_dict()}


def of(
    *serving: dict[str, Any] | None,
    retired: tuple[dict[str, Any], ...] = (),
    milter: MilterSettings = SPAM,
    overrides: Overrides | None = None,
    past: Tally | None = None,
) -> dict[str, Any]:
    """The status that these reports make; None is a worker that does not answer."""
    crew = Crew(selectors.PollSelector(), lambda: None, lambda _one, _message: None)
    with socket.socket() as unused:
        crew.serving = {pid: Worker(pid, -1, unused, 5.0) for pid in range(1, len(serving) + 1)}
        crew.retired = {pid: Worker(pid, -1, unused, 5.0) for pid in range(100, 100 + len(retired))}
    reports = {pid: said for pid, said in enumerate(serving, 1) if said is not None}
    reports |= dict(enumerate(retired, 100))
    now = Situation({"pid": 7}, Settings(milters=(milter,)), overrides or Overrides(), crew, past or Tally())
    return status(now, reports)


def spam(*serving: dict[str, Any], **more: Any) -> dict[str, Any]:
    (milter,) = of(*map(report, serving), **more)["milters"]
    return dict(milter)


def test_the_latest_news_of_a_milter_counts() -> None:
    """A worker that had no session since the milter came back still leaves it alone."""
    left_alone = child("left-alone", 10.0, until=14.0, error={"text": "refused", "at": 10.0})
    found = spam(left_alone, child("up", 11.0), child("untried", 0.0))
    assert (found["state"], found["until"]) == ("up", None)
    assert found["error"] == {"text": "refused", "at": 10.0}, "the last error is told all the same"
    found = spam(child("up", 9.0), left_alone)
    assert (found["state"], found["until"]) == ("left-alone", 14.0)
    assert spam(child("untried", 0.0))["state"] == "untried"


def test_a_worker_that_finishes_says_nothing_of_the_state() -> None:
    """It may know the milter at another socket."""
    down = report(child("down", 99.0, links=2))
    found = of(report(child("up", 1.0, links=1)), retired=(down,))["milters"][0]
    assert found["state"] == "up"
    assert found["links"] == 3, "but its links are there"
    assert of(retired=(down,))["milters"][0]["state"] == "down", (
        "when all of them finish, there is nobody else"
    )


def test_counts_and_times_add_up_and_stay_when_workers_end() -> None:
    found = of(
        report(child(), tally("continue", "reject"), 3),
        report(child(), tally("continue"), 4),
        past=tally("tempfail", "continue"),
    )
    assert found["sessions"] == 7
    assert found["messages"] == {"tempfail": 1, "continue": 3, "reject": 1}
    (milter,) = found["milters"]
    assert milter["verdicts"] == {"tempfail": 1, "continue": 3, "reject": 1}
    assert milter["asked"] == 5
    assert milter["latency"]["mail"]["count"] == 5
    assert milter["latency"]["mail"]["p50"] == pytest.approx(2.0, rel=0.1)


def test_a_worker_that_does_not_answer_is_named() -> None:
    workers = of(report(child()), None)["workers"]
    assert [(one["pid"], one["answers"], one["sessions"]) for one in workers] == [
        (1, True, 0),
        (2, False, None),
    ]


def test_what_operators_changed_is_told_with_what_the_file_says() -> None:
    settings = Settings(milters=(SPAM,))
    overrides = Overrides().with_mode(settings, "spam", "off", "alice").with_log_level("debug", "bob")
    found = of(report(), overrides=overrides)
    (milter,) = found["milters"]
    assert (milter["mode"], milter["state"]) == ("off", "off")
    assert (milter["overridden"]["by"], milter["overridden"]["in_file"]) == ("alice", "enforce")
    assert found["log_level"]["level"] == "debug"
    assert (found["log_level"]["overridden"]["by"], found["log_level"]["overridden"]["in_file"]) == (
        "bob",
        "info",
    )


@pytest.mark.parametrize(
    ("trusts", "together"),
    [
        (["untried", "proven"], "proven"),
        (["proven", "refused"], "refused"),
        (["untried", "trying"], "trying"),
    ],
)
def test_pools_add_up(trusts: list[str], together: str) -> None:
    pools = [{"idle": 2, "trust": trust, "why": "closed" if trust == "refused" else ""} for trust in trusts]
    found = spam(*(child(pool=pool) for pool in pools))["pool"]
    assert found == {"idle": 4, "trust": together, "why": "closed" if together == "refused" else ""}
