"""Graphs of a running daemon's history, and of its log: the same numbers, whichever way they come."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postmill.graphs.importing import import_logs
from postmill.graphs.series import Series
from postmill.graphs.store import Store
from postmill.graphs.updating import update
from postmill.history import History, open_database
from postmill.record import Tally
from postmill.testing.child import ScriptedChild
from postmill.testing.load import send_load
from postmill.testing.plan import Mail, Recipient, SessionPlan
from postmill.testing.script import Rule, Script
from postmill.testing.words import edit, reply
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon
from tests.graphs.databases import real_rrdtool, total
from tests.interop.postfix import wait_until

pytestmark = real_rrdtool
REFUSED = Recipient(b"<nobody@example.org>")
PLAN = SessionPlan(mails=(Mail(queue_id=b"A"), Mail(recipients=(REFUSED,), queue_id=b"B")))


@contextmanager
def daemon(log_format: str) -> Iterator[Daemon]:
    refuse = Rule("R", (reply("550 5.1.1 nobody here"),), containing=b"nobody@example.org")
    tag = Script(rules=[refuse, Rule("E", (edit("add-header:X-Spam-Flag:YES"), reply("continue")))])
    with ScriptedChild(tag) as tagger:
        one = Daemon({"tagger": {"socket": str(tagger.endpoint)}}, workers=2)
        one.log_settings = {"format": log_format}
        one.tables["history"] = {"url": f"sqlite:{one.directory}/history.db"}
        one.tables["graphs"] = {"directory": str(one.directory / "graphs"), "title": "Test"}
        with one:
            yield one


def drawn(place: Store) -> dict[Series, float]:
    """What the graphs count of all times."""
    now = int(time.time()) // 60 * 60 + 600
    names = [("messages", "accept"), ("messages", "reject"), ("child", "tagger", "decided", "reject")]
    return {series: total(place.databases, series, now - 7200, now) for series in names}


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_history_and_log_come_to_the_same(log_format: str, tmp_path: Path) -> None:
    with daemon(log_format) as one:
        send_load(parse_endpoint(one.endpoint), PLAN, 40, 8)
        too_early = "too early to draw, but no fault once there is a history"
        wait_until(lambda: one.run("graph", "update").returncode == 0, too_early, 30)
        one.stop()
        url, later = f"sqlite:{one.directory}/history.db", time.time() + 400
        with closing(History(open_database(url, writes=False))) as history:
            tally: Tally = history.tally(0)
        by_history, by_log = Store(tmp_path / "history"), Store(tmp_path / "log")
        with by_history.locked(), by_log.locked():
            update(by_history, url, later)
            imported = import_logs(by_log, [str(one.log_file)], later)
            update(by_log, "", later)
    assert tally.messages == {"accept": 40, "reject": 40}
    assert imported.counted == 80
    assert (
        drawn(by_history)
        == drawn(by_log)
        == {
            ("messages", "accept"): 40,
            ("messages", "reject"): 40,
            ("child", "tagger", "decided", "reject"): 40,
        }
    )
    has_headers = {by_history: True, by_log: log_format == "json"}
    for place, known in has_headers.items():
        assert (place.databases / "tagged" / "X-Spam-Flag.rrd").exists() is known


def test_a_log_is_imported_beside_the_history_and_nothing_is_counted_twice() -> None:
    with daemon("json") as one:
        send_load(parse_endpoint(one.endpoint), PLAN, 20, 4)
        one.stop()
        line = next(one for one in one.log.splitlines() if '"message"' in one)
        old = {**json.loads(line), "time": "2026-01-01T00:00:00.000+00:00"}
        log = one.directory / "old.log"
        log.write_text(f"{one.log}\n{json.dumps(old)}\n")
        first = one.run("graph", "import", str(log))
        again = one.run("graph", "import", str(log), str(one.log_file))
        assert (first.returncode, again.returncode) == (0, 0), first.stderr
        assert first.stdout.startswith("41 lines counted, 0 were counted before")
        assert again.stdout.startswith("0 lines counted, 81 were counted before")
        place = Store(one.directory / "graphs")
        with place.locked():
            update(place, f"sqlite:{one.directory}/history.db", time.time() + 400)
        assert drawn(place)["messages", "accept"] == 20
        assert one.run("graph").returncode == 0
        assert "<title>Test: day</title>" in (place.html / "index.html").read_text()
