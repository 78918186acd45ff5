"""Sessions on the event loop: results, time-outs, errors, many at once; against the scripted child."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
import uvloop

from postmill.testing.child import ScriptedChild
from postmill.testing.load import LoadReport, run_load
from postmill.testing.outcome import SessionReport
from postmill.testing.plan import Mail, Offer, SessionPlan
from postmill.testing.script import (
    Close,
    Default,
    Delay,
    Negotiation,
    Reset,
    Rule,
    Script,
    Send,
    StopAnswering,
    StopReading,
    Trickle,
)
from postmill.testing.sender import Timeouts, run_session
from postmill.testing.words import edit, reply
from postmill.wire.endpoint import parse_endpoint
from postmill.wire.framing import frame

CONT = frame(ord("c"))


def send(child: ScriptedChild, plan: SessionPlan | None = None, **limits: float) -> SessionReport:
    session = run_session(child.endpoint, plan or SessionPlan(), Timeouts(**limits))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(session)


@pytest.mark.parametrize("endpoint", [None, "inet:0@127.0.0.1", "inet6:0@::1"])
def test_a_session_and_its_report(endpoint: str | None) -> None:
    edits = (edit("add-header:X-A:b"), reply("accept"))
    with ScriptedChild(Script(rules=[Rule("E", edits)]), endpoint) as child:
        report = send(child, SessionPlan(mails=(Mail(), Mail(body=b"x" * 300_000))))
        assert (report.status, report.error) == ("accept", "")
        assert report.mails[1].new_headers[-1] == (b"X-A", b" b")
        assert report.elapsed > 0
        child.wait_closed()
        assert child.letters() == "OCH" + "MRTLLLNBEA" + "MRTLLLNBBBBBEA" + "AQ"
        assert sum(len(e.payload) for e in child.events if e.code == "B") == len(Mail().body) + 300_000


@pytest.mark.parametrize(
    ("at", "steps", "kind", "text"),
    [
        ("M", (Close(),), "lost", "MAIL: the filter closed the connection"),
        ("M", (Send(b"\0\0\0\5c"), Close()), "lost", "MAIL: .* inside a packet, after 5 of its bytes"),
        ("^", (Close(),), "lost", "negotiation: the filter closed"),
        ("R", (Send(b"\0\0\0\0"),), "protocol", "RCPT: packet of length 0"),
        ("R", (Send(frame(ord("Z"))),), "protocol", "RCPT: unknown reply 'Z'"),
        ("H", (edit("add-header:A:b"), reply("continue")), "protocol", "HELO: .*not allowed at helo"),
        ("M", (reply("continue"), reply("continue"), Delay(0.02)), "protocol", "RCPT: unasked 'c'"),
        ("M", (Send(frame(ord("y"), b"250 ok\0")),), "protocol", "MAIL: "),
        ("M", (StopAnswering(),), "timeout", "MAIL: no verdict within 1 s"),
        ("E", (StopAnswering(),), "timeout", "BODYEOB: no verdict within 1.5"),
        ("E", (Trickle(frame(ord("p")) * 5, 0.02), StopAnswering()), "timeout", "BODYEOB: no verdict"),
        ("O", (StopAnswering(),), "timeout", "negotiation: no answer within 1 s"),
        ("O", (reply("continue"),), "protocol", "Continue instead of an answer"),
    ],
)
def test_what_goes_wrong_is_told(at: str, steps: tuple[Send, ...], kind: str, text: str) -> None:
    with ScriptedChild(Script(rules=[Rule(at, steps)])) as child:
        report = send(child, read=1, end_of_message=1.5)
    assert (report.status, report.error_kind) == ("error", kind)
    assert re.search(text, report.error)


def test_a_reset_is_a_lost_filter() -> None:
    with ScriptedChild(Script(rules=[Rule("T", (Reset(),))]), "inet:0@127.0.0.1") as child:
        report = send(child)
    assert (report.error_kind, report.mails[0].status) == ("lost", "error")


def test_progress_and_slow_bytes_restart_the_read_timeout_but_not_that_of_the_end() -> None:
    slow = (Delay(0.6), Send(frame(ord("p"))), Delay(0.6), Default())
    with ScriptedChild(Script(rules=[Rule("M", slow)])) as child:
        assert send(child, read=1.0).status == "accept"
    with ScriptedChild(Script(rules=[Rule("E", slow)])) as child:
        assert send(child, read=0.5, end_of_message=5).status == "accept"
        assert send(child, read=5, end_of_message=0.8).error_kind == "timeout"


def test_a_filter_that_does_not_read_ends_in_a_write_timeout() -> None:
    plan = SessionPlan(mails=(Mail(body=b"x" * 4_000_000),))
    script = Script(Negotiation(protocol=0x80000), [Rule("N", (Default(), StopReading()))])
    with ScriptedChild(script) as child:
        report = send(child, plan, write=0.2, end_of_message=0.2)
    assert report.error_kind == "timeout"
    assert "room for writing" in report.error or "no verdict" in report.error


def test_the_whole_session_has_a_limit() -> None:
    with ScriptedChild(Script(rules=[Rule("*", (Delay(0.3), Default()))])) as child:
        report = send(child, overall=1)
    assert (report.error_kind, report.status) == ("timeout", "error")
    assert "longer than 1 s" in report.error
    assert report.stages


def test_answers_beyond_the_offer_are_refused() -> None:
    plan = SessionPlan(offer=Offer(4, 0x3F, 0x37F))
    for answer, text in (
        (Negotiation(6, fit=False), "version 6 is newer"),
        (Negotiation(4, 0x1FF, fit=False), "actions 0x1c0 were not offered"),
    ):
        with ScriptedChild(Script(answer)) as child:
            report = send(child, plan)
        assert report.error_kind == "protocol"
        assert text in report.error
    with ScriptedChild(Script(Negotiation(4, 0, 0x100000, fit=False))) as child:
        assert send(child, plan).status == "accept"


def test_nobody_there() -> None:
    with ScriptedChild() as child:
        place = child.endpoint
    for endpoint in (place, parse_endpoint("unix:/nonexistent/socket")):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run_session(endpoint, SessionPlan()))
        assert (report.status, report.error_kind) == ("error", "connect")
        assert str(endpoint) in report.error


def load(child: ScriptedChild, sessions: int, concurrency: int, **limits: float) -> LoadReport:
    job = run_load(child.endpoint, SessionPlan(), sessions, concurrency, Timeouts(**limits))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(job)


def test_many_sessions_are_counted() -> None:
    rules = [Rule("M", (reply("reject"),), every=4), Rule("R", (Close(),), every=10)]
    with ScriptedChild(Script(rules=rules)) as child:
        total = load(child, 200, 50)
        child.wait_closed(200)
        ids = {e.macro("i") for e in child.events if e.code == "T"}
    assert total.sessions == total.messages == 200
    assert total.statuses == {"accept": 140, "reject": 50}
    assert total.errors == {"RCPT: the filter closed the connection": 10}
    assert len(total.latencies) == 190
    assert len(ids) == 140
    assert 0 < total.percentile(50) <= total.percentile(99) <= max(total.latencies)
    assert total.throughput > 0


def test_sessions_run_at_the_same_time_up_to_the_concurrency() -> None:
    with ScriptedChild(Script(rules=[Rule("M", (Delay(1), Default()))])) as child:
        total = load(child, 20, 20)
        assert not total.errors
        child.wait_closed(20)
        starts = [c.opened for c in child.connections]
        ends = [c.closed or 0 for c in child.connections]
        assert max(starts) < min(ends)


def test_percentiles_by_nearest_rank() -> None:
    report = LoadReport(latencies=[float(n) for n in range(1, 101)])
    assert [report.percentile(p) for p in (0, 50, 90, 99, 100)] == [1, 50, 90, 99, 100]
    assert LoadReport(latencies=[3.0]).percentile(50) == 3.0
    assert LoadReport().percentile(50) == 0.0


def test_one_message_of_several_can_fail_the_session() -> None:
    plan = SessionPlan(mails=(Mail(), replace(Mail(), body=b""), Mail()))
    with ScriptedChild(Script(rules=[Rule("E", (reply("tempfail"),), message=2)])) as child:
        report = send(child, plan)
    assert [m.status for m in report.mails] == ["accept", "temporary-failure", "accept"]
    assert report.status == "temporary-failure"
