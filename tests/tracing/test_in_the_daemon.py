"""`postmill trace` beside a running daemon: each message arrives, whatever is killed or away meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from postmill.history import Selection
from postmill.testing.load import send_load
from postmill.testing.plan import Mail, SessionPlan
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon, environment
from tests.history.test_in_the_daemon import REFUSED, daemon, history_of
from tests.interop.postfix import wait_until
from tests.tracing.receiver import Receiver, receiving

MAIL = SessionPlan(mails=(Mail(), Mail(recipients=(REFUSED,))))


@contextmanager
def traced(one: Daemon) -> Iterator[subprocess.Popen[bytes]]:
    """Run `postmill trace`; kill it in the end, without a chance to tidy up."""
    command = [sys.executable, "-m", "postmill", "trace", "-c", str(one.config)]
    with (
        (one.directory / "trace.log").open("ab") as log,
        subprocess.Popen(command, env=environment(), stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def configure(one: Daemon, receiver: Receiver) -> None:
    """For `postmill trace`; the daemon, which would run one of its own, does not take it."""
    one.tables["tracing"] = {"endpoint": receiver.url, "place": f"{one.directory}/place", "most": 0}
    one.write()


def load(one: Daemon, sessions: int) -> None:
    send_load(parse_endpoint(one.endpoint), MAIL, sessions, 4)


def recorded(one: Daemon) -> int:
    try:
        with history_of(one) as history:
            return len(history.latest(Selection(), 1000))
    except OSError:
        return 0


def wait_for(receiver: Receiver, count: int) -> None:
    wait_until(lambda: len({span.span for span in receiver.roots()}) >= count, f"{count} traces", 60)


def test_each_message_arrives() -> None:
    with receiving() as receiver, daemon() as one:
        configure(one, receiver)
        load(one, 1)
        wait_until(lambda: recorded(one) == 2, "two messages in the history", 30)
        with traced(one):
            wait_until((one.directory / "place").exists, "the first look", 30)
            load(one, 20)
            wait_for(receiver, 40)
            receiver.status = 503
            load(one, 20)
            wait_until(
                lambda: "it answers 503" in (one.directory / "trace.log").read_text(), "the trouble", 60
            )
        load(one, 20)
        receiver.status = 200
        with traced(one):
            wait_for(receiver, 120)
        one.stop()
        with history_of(one) as history:
            entries = history.latest(Selection(), 1000)
    assert len(entries) == 122
    roots = {span.span: span for span in receiver.roots()}
    assert len(roots) == 120, "all but those before the first start"
    told = {
        (root.attributes["postmill.session"], root.attributes["postmill.verdict"]) for root in roots.values()
    }
    assert told < {(entry.record.session, entry.record.verdict) for entry in entries}
    assert len(told) == 120
    a_refused = next(root for root in roots.values() if root.attributes["postmill.verdict"] == "reject")
    assert a_refused.error == "550 5.1.1 nobody here"
    its = [span for span in receiver.spans if span.parent == a_refused.span]
    assert {span.attributes["postmill.milter"] for span in its} == {"tagger", "trial"}
    assert all(span.trace == a_refused.trace for span in its)


def test_once_and_by_queue_id() -> None:
    with receiving() as receiver, daemon() as one:
        one.write()
        nowhere = one.run("trace", "--once")
        assert (nowhere.returncode, nowhere.stdout) == (69, "")
        assert "tracing.endpoint is not set" in nowhere.stderr
        early = one.run("trace", "--once", "--endpoint", receiver.url, "--place", f"{one.directory}/place")
        assert early.returncode == 69, "there is no history yet"
        assert "the history cannot be read" in early.stderr
        configure(one, receiver)
        load(one, 1)
        one.stop()
        assert one.run("trace", "--once").stdout == "messages sent: 2\n", (
            "those that came after the first try"
        )
        assert one.run("trace", "--once").stdout == "messages sent: 0\n"
        one.start()
        load(one, 1)
        one.stop()
        assert one.run("trace", "--once").stdout == "messages sent: 2\n"
        queue_id = next(id for root in receiver.roots() if (id := root.attributes.get("postmill.queue_id")))
        found = one.run("trace", "--id", queue_id).stdout
        assert re.fullmatch(r"[0-9a-f]{32}\n", found)
        assert receiver.of(found.strip())["message"].attributes["postmill.queue_id"] == queue_id
        before = [root for root in receiver.roots() if root.trace == found.strip()]
        assert one.run("trace", "--message", queue_id).stdout == f"messages sent: {len(before)}\n"
        after = [root for root in receiver.roots() if root.trace == found.strip()]
        assert sorted(map(str, after)) == sorted(map(str, 2 * before)), "the same once more"
        other = one.run("trace", "--id", queue_id, "--host", "elsewhere").stdout
        assert receiver.of(other.strip()) == {}
