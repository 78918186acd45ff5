"""`postmill metrics` beside a running daemon with several workers: it agrees with history and status, always."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from postmill.history import Selection
from postmill.testing.load import send_load
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, SessionPlan
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon, environment
from tests.history.test_in_the_daemon import REFUSED, daemon, history_of
from tests.interop.postfix import wait_until
from tests.metrics.reading import Samples, openmetrics, samples

BIG = {"name": "message-size", "at_least": "1MB"}
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@contextmanager
def metrics_of(one: Daemon) -> Iterator[str]:
    """Run `postmill metrics` at a free port; give the URL that it says."""
    one.tables["metrics"] = {"listen": "inet:0@127.0.0.1"}
    one.write()
    with subprocess.Popen(
        [sys.executable, "-m", "postmill", "metrics", "-c", str(one.config)],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"metrics: (http://127\.0\.0\.1:\d+/metrics)", said)
            assert found, said
            yield found[1]
        finally:
            process.terminate()


def scrape(url: str) -> Samples:
    with urllib.request.urlopen(urllib.request.Request(url, headers=OPENMETRICS), timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        text = answer.read().decode()
    return samples(openmetrics(text))


def refused(url: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=30)
    assert caught.value.code == 503
    return caught.value.read().decode()


def counters(samples: Samples) -> Samples:
    return {key: value for key, value in samples.items() if re.search("_(total|bucket|count|sum)$", key[0])}


def fell(before: Samples, after: Samples) -> list[tuple[str, ...]]:
    return [key for key, value in counters(before).items() if after.get(key, -1) < value]


def test_metrics_history_and_status_agree_to_the_unit_and_no_counter_goes_down() -> None:
    mixed = SessionPlan(
        mails=(Mail(queue_id=b"A"), Mail(recipients=(REFUSED,), queue_id=b"B"), Mail(queue_id=b"C"))
    )
    with daemon() as one, metrics_of(one) as url:
        one.milters["gone"] = {"socket": f"unix:{one.directory}/nobody.sock", "on_error": "accept"}
        one.milters["big"] = {"socket": one.milters["tagger"]["socket"], "when": [BIG]}
        assert one.reload().returncode == 0
        scrapes: list[Samples] = []
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                scrapes.append(scrape(url))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            send_load(parse_endpoint(one.endpoint), mixed, 100, 8)
            assert one.run("mode", "trial", "off").returncode == 0, "and with it two workers more"
            send_load(parse_endpoint(one.endpoint), mixed, 50, 8)
        finally:
            over.set()
            watching.join()
        wait_until(lambda: one.ask("status")["tally"]["sessions"] == 150, "the end of all sessions", 20)
        last = scrape(url)
        status = one.ask("status")
        one.stop()
        with history_of(one) as history:
            entries = history.latest(Selection(), 10_000)
            counted = history.tally(time.time() - 3600)
    assert len(scrapes) > 3
    for before, after in zip(scrapes, [*scrapes[1:], last], strict=True):
        assert fell(before, after) == []
    verdicts = {key[1]: n for key, n in last.items() if key[0] == "postmill_messages_total" and n}
    assert verdicts == Counter(entry.record.verdict for entry in entries) == status["messages"]
    assert verdicts == counted.messages
    assert last["postmill_sessions_total",] == counted.sessions == 150
    assert last["postmill_tagged_messages_total", "X-Tag"] == counted.tagged["X-Tag"] == 300
    for name, child in counted.children.items():
        told = status["tally"]["children"][name]
        assert last["postmill_milter_asked_total", name] == child.asked == told["asked"]
        for metric, counts in (
            ("verdicts", child.verdicts),
            ("decided", child.decided),
            ("errors", child.errors),
            ("skipped", child.skipped),
        ):
            found = {
                key[2]: n for key, n in last.items() if key[:2] == (f"postmill_milter_{metric}_total", name)
            }
            assert {word: n for word, n in found.items() if n} == counts == told[metric]
        for stage, times in child.times.items():
            assert last["postmill_milter_answer_seconds_count", name, stage] == sum(times.values())
            assert sum(told["times"][stage].values()) == sum(times.values())
    assert counted.children["trial"].evaluated["reject/accept"] == 200
    assert sum(counted.children["gone"].errors.values()) == 150, "once for each session"
    assert counted.children["big"].skipped == {"message-size": 300}
    assert last["postmill_milter_evaluated_total", "trial", "reject", "accept"] == 200


def test_a_worker_that_is_killed_takes_nothing_with_it_that_was_told() -> None:
    with daemon() as one, metrics_of(one) as url:
        send_load(parse_endpoint(one.endpoint), SessionPlan(mails=(Mail(queue_id=b"A"),)), 60, 4)
        wait_until(lambda: scrape(url)["postmill_sessions_total",] == 60, "the end of all sessions", 20)
        before = scrape(url)
        lost = one.workers
        for worker in lost:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len({*one.workers} - {*lost}) == 2, "new workers", 30)
        FakeMta(one.endpoint).session(SessionPlan(mails=(Mail(queue_id=b"B"),)))
        wait_until(lambda: scrape(url)["postmill_sessions_total",] == 61, "the session after", 20)
        after = scrape(url)
        assert fell(before, after) == []
        assert after["postmill_messages_total", "accept"] == 61
        assert after["postmill_start_time_seconds",] == before["postmill_start_time_seconds",]


def test_no_numbers_rather_than_smaller_ones() -> None:
    with daemon() as one, metrics_of(one) as url:
        hanging = one.workers[0]
        os.kill(hanging, signal.SIGSTOP)
        try:
            assert refused(url) == f"worker {hanging} does not react; its numbers are missing\n"
            printed = one.run("metrics", "--print")
            assert (printed.returncode, printed.stdout) == (69, "")
        finally:
            os.kill(hanging, signal.SIGCONT)
        assert scrape(url)["postmill_workers", "serving"] == 2
        printed = one.run("metrics", "--print")
        assert printed.returncode == 0
        assert 'postmill_milter_mode{milter="trial",mode="evaluate"} 1.0\n' in printed.stdout
        one.stop()
        assert "cannot reach the daemon" in refused(url)
        one.start()
        assert scrape(url)["postmill_messages_total", "accept"] == 0


def test_a_client_that_says_nothing_keeps_nobody_from_scraping() -> None:
    with daemon() as one, metrics_of(one) as url, socket.socket() as silent:
        silent.connect(("127.0.0.1", int(url.split(":")[2].removesuffix("/metrics"))))
        assert scrape(url)["postmill_sessions_total",] == 0


def test_it_ends_with_the_daemon_that_runs_it() -> None:
    with daemon() as one:
        command = [sys.executable, "-m", "postmill", "metrics", "-c", str(one.config), "--beside-daemon"]
        command += ["--listen", "inet:0@127.0.0.1"]
        with subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            line = json.loads(process.stderr.readline())
            assert (line["logger"], line["text"][:16]) == ("postmill.metrics", "metrics: http://"), (
                "as the daemon logs"
            )
            process.stdin.close()
            assert process.wait(30) == 0


def test_other_paths_and_nowhere_to_listen() -> None:
    with daemon() as one:
        nowhere = one.run("metrics")
        assert (nowhere.returncode, nowhere.stdout) == (69, "")
        assert "metrics.listen is empty" in nowhere.stderr
        assert one.run("metrics", "--listen", "unix:/run/x").returncode == 2
        with metrics_of(one) as url:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(url.removesuffix("metrics"), timeout=30)
            port = url.split(":")[2].removesuffix("/metrics")
            taken = one.run("metrics", "--listen", f"inet:{port}@127.0.0.1")
            assert taken.returncode == 69
            assert "Address already in use" in taken.stderr
