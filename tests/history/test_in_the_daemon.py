"""The history that a running daemon writes: by several workers, through changes, troubles and endings."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import pytest

from postmill.config import ConfigErrors
from postmill.daemon.configuration import load_configuration
from postmill.history import History, Selection, open_database
from postmill.record import Tally
from postmill.testing.child import ScriptedChild
from postmill.testing.load import send_load
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Recipient, SessionPlan
from postmill.testing.script import Rule, Script
from postmill.testing.words import edit, reply
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon
from tests.interop.postfix import wait_until

REFUSED = Recipient(b"<nobody@example.org>")


@contextmanager
def daemon(**history: str) -> Iterator[Daemon]:
    """A daemon with two workers, a child that refuses one recipient and tags, and one only evaluated."""
    refuse = Rule("R", (reply("550 5.1.1 nobody here"),), containing=b"nobody@example.org")
    tag = Script(rules=[refuse, Rule("E", (edit("add-header:X-Tag:1"), reply("continue")))])
    trial = Script(rules=[Rule("E", (reply("550 5.7.1 trial"),))])
    with ScriptedChild(tag) as tagger, ScriptedChild(trial) as trying:
        one = Daemon(
            {
                "tagger": {"socket": str(tagger.endpoint)},
                "trial": {"socket": str(trying.endpoint), "mode": "evaluate"},
            },
            workers=2,
        )
        one.log_settings = {"format": "json"}
        one.tables["history"] = {"url": f"sqlite:{one.directory}/history.db", **history}
        with one:
            yield one


@contextmanager
def history_of(one: Daemon) -> Iterator[History]:
    with closing(History(open_database(f"sqlite:{one.directory}/history.db", writes=False))) as history:
        yield history


def logged(one: Daemon) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in one.log.splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if "message" in line]


def test_log_history_and_status_agree_to_the_unit() -> None:
    mixed = SessionPlan(
        mails=(
            Mail(queue_id=b"A"),
            Mail(recipients=(REFUSED,), queue_id=b"B"),
            Mail(recipients=(REFUSED, Recipient(b"<you@example.org>")), queue_id=b"C"),
        )
    )
    with daemon() as one:
        endpoint = parse_endpoint(one.endpoint)
        send_load(endpoint, mixed, 150, 8)
        assert one.run("mode", "trial", "off").returncode == 0, "and with it two workers more"
        send_load(endpoint, replace(mixed, mails=mixed.mails[:2]), 75, 8)
        status = one.ask("status")
        one.stop()
        with history_of(one) as history:
            entries = history.latest(Selection(), 10_000)
            counted = history.tally(time.time() - 3600)
            tagged = history.latest(Selection(child="trial"), 10_000)
        records = logged(one)
    assert len(records) == len(entries) == 150 * 3 + 75 * 2
    by_verdict = Counter(entry.record.verdict for entry in entries)
    assert (
        dict(by_verdict) == counted.messages == status["messages"] == Counter(r["verdict"] for r in records)
    )
    assert {entry.record.queue_id for entry in entries} == {record["queue_id"] for record in records}
    assert counted.sessions == 225
    assert 0 < counted.open_seconds < 225 * 60
    whole = Tally()
    for entry in entries:
        whole.add(entry.record, entry.record.time)
    whole.sessions, whole.open_seconds = 225, counted.open_seconds
    whole.most_open = counted.most_open
    assert counted.most_open >= 1
    again, stored = whole.as_dict(), counted.as_dict()
    for child in (*again["children"].values(), *stored["children"].values()):
        del child["heard"]
        child["times"] = {stage: sum(times.values()) for stage, times in child["times"].items()}
    assert again == stored
    assert counted.children["trial"].evaluated["reject/accept"] == 300
    assert len(tagged) == 300
    assert counted.tagged == {"X-Tag": 375}


def test_a_message_is_there_soon() -> None:
    with daemon() as one:
        FakeMta(one.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"SOON"),)))

        def there() -> bool:
            try:
                with history_of(one) as history:
                    return bool(history.latest(Selection(text="SOON"), 1))
            except OSError:
                return False

        wait_until(there, "the message in the history", 20)


def test_how_many_sessions_are_open_is_known_over_all_workers() -> None:
    with daemon() as one, ExitStack() as clients:
        for _ in range(7):
            clients.enter_context(FakeMta(one.endpoint))

        def seen() -> bool:
            try:
                with history_of(one) as history:
                    return history.tally(time.time() - 3600).most_open == 7
            except OSError:
                return False

        wait_until(seen, "seven sessions in the history", 20)


def test_what_no_milter_looks_at_is_known_all_the_same() -> None:
    mail = Mail(queue_id=b"Q1", headers=((b"Message-ID", b" <one@example.com>"),))
    with Daemon({}) as one:
        one.tables["history"] = {"url": f"sqlite:{one.directory}/history.db"}
        one.write()
        assert one.run("reload").returncode == 0
        FakeMta(one.endpoint).session(SessionPlan(mails=(mail,)))
        one.stop()
        with history_of(one) as history:
            (entry,) = history.latest(Selection(text="<one@example.com>"), 2)
    record = entry.record
    said = (record.queue_id, record.helo, record.sender)
    assert said == ("Q1", "client.example.com", "<sender@example.com>")
    assert [recipient.address for recipient in record.recipients] == ["<user@example.org>"]


def test_mail_goes_on_without_a_history_and_it_comes_back() -> None:
    with daemon() as one:
        other = one.directory / "later"
        one.tables["history"] = {"url": f"sqlite:{other}/history.db"}
        assert one.reload().returncode == 0
        for number in range(5):
            FakeMta(one.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"W%d" % number),)))
        one.wait_log("records wait, mail goes on")
        other.mkdir()
        one.wait_log("history: written again")
        with closing(History(open_database(f"sqlite:{other}/history.db", writes=False))) as history:
            assert len(history.latest(Selection(), 10)) == 5


def test_a_change_of_the_history_takes_effect_with_a_reload() -> None:
    with daemon() as one:
        FakeMta(one.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"FIRST"),)))
        one.tables["history"] = {"url": ""}
        assert one.reload().returncode == 0
        FakeMta(one.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"SECOND"),)))
        one.stop()
        with history_of(one) as history:
            assert [entry.record.queue_id for entry in history.latest(Selection(), 10)] == ["FIRST"]


@pytest.mark.parametrize("url", ["mysql://u@h/d", "sqlite:history.db"])
def test_a_history_that_there_is_not_is_a_mistake_of_the_configuration(url: str) -> None:
    one = Daemon()
    one.tables["history"] = {"url": url}
    one.write()
    with pytest.raises(ConfigErrors, match=r"history\.url"):
        load_configuration(one.config)
    one.__exit__()
