"""Ten thousand messages through several workers, and everybody who looks at them says the same, to the unit."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from contextlib import closing

import pytest

from postmill.graphs.store import Store
from postmill.graphs.updating import update
from postmill.history import History, Selection, open_database
from postmill.testing.child import ScriptedChild
from postmill.testing.load import send_load
from postmill.testing.plan import Mail, Recipient, SessionPlan
from postmill.testing.script import Rule, Script
from postmill.testing.words import edit, reply
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon
from tests.graphs.databases import real_rrdtool, total
from tests.web.staging import address, hashed
from tests.web.visitor import Visitor

SESSIONS = 2_000
MAILS = (
    Mail(queue_id=b"A", body=b"fine\r\n"),
    Mail(queue_id=b"B", recipients=(Recipient(b"<nobody@example.org>"), Recipient(b"<you@example.org>"))),
    Mail(queue_id=b"C", body=b"this is spam\r\n"),
    Mail(queue_id=b"D", sender=b"<drop@example.com>"),
    Mail(queue_id=b"E", sender=b"<later@example.com>"),
)
EXPECTED = {"accept": 2 * SESSIONS, "reject": SESSIONS, "discard": SESSIONS, "tempfail": SESSIONS}


def scripts() -> dict[str, Script]:
    first = Script(
        rules=[
            Rule("M", (reply("451 4.7.1 later"),), containing=b"later@"),
            Rule("R", (reply("550 5.1.1 nobody here"),), containing=b"nobody@"),
            Rule("E", (edit("add-header:X-Tag:1"), reply("continue"))),
        ]
    )
    second = Script(
        rules=[
            Rule("B", (reply("550 5.7.1 spam"),), containing=b"spam"),
            Rule("M", (reply("discard"),), containing=b"drop@"),
        ]
    )
    return {"first": first, "second": second}


@pytest.mark.timeout(600)
@real_rrdtool[0]
@real_rrdtool[1]
def test_log_metrics_report_graphs_and_dashboard_agree() -> None:
    made = {name: ScriptedChild(script) for name, script in scripts().items()}
    with made["first"] as first, made["second"] as second:
        one = Daemon(
            {"first": {"socket": str(first.endpoint)}, "second": {"socket": str(second.endpoint)}}, workers=3
        )
        one.log_settings = {"format": "json"}
        one.tables["history"] = {"url": f"sqlite:{one.directory}/history.db"}
        users = [{"name": "anna", "role": "viewer", "password": hashed()}]
        one.tables["web"] = {"listen": ["inet:0@127.0.0.1"], "user": users}
        with one:
            begun = time.time()
            report = send_load(parse_endpoint(one.endpoint), SessionPlan(mails=MAILS), SESSIONS, 16)
            assert (report.sessions, dict(report.errors)) == (SESSIONS, {})
            time.sleep(1.0)
            status = one.ask("status")
            metrics = one.run("metrics", "--print").stdout
            told = json.loads(one.run("report", "--since", "1h", "--json").stdout)
            anna = Visitor(address(one))
            assert anna.log_in("anna").status == 303
            words = anna.get("/").words
            records = [json.loads(line) for line in one.log.splitlines() if line.startswith("{")]
            url = f"sqlite:{one.directory}/history.db"
            with closing(History(open_database(url, writes=False))) as history:
                listed = Counter(entry.record.verdict for entry in history.latest(Selection(), 20_000))
            place = Store(one.directory / "graphs")
            with place.locked():
                update(place, url, time.time() + 600)
            start = int(begun) // 60 * 60
            drawn = {
                verdict: total(place.databases, ("messages", verdict), start, start + 1200)
                for verdict in EXPECTED
            }
    assert dict(listed) == EXPECTED
    assert Counter(line["message"]["verdict"] for line in records if "message" in line) == EXPECTED
    assert status["messages"] == told["messages"] == drawn == EXPECTED
    numbers = dict(
        re.findall(r'^postmill_messages_total\{verdict="(\w+)"\} ([\d.]+)$', metrics, re.MULTILINE)
    )
    assert {verdict: float(number) for verdict, number in numbers.items() if float(number)} == EXPECTED
    assert told["sessions"] == status["tally"]["sessions"] == SESSIONS
    assert told["tagged"] == {"X-Tag": 2 * SESSIONS}
    shown = re.findall(r"(accept|reject|discard|tempfail) ([\d,. ]+?) ", words)
    assert {verdict: int(re.sub(r"\D", "", number)) for verdict, number in shown[: len(EXPECTED)]} == EXPECTED
