"""Parent and workers: who serves, who replaces whom, and how all of it comes to an end."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Rule, Script, StopAnswering
from postmill.wire.codes import Command
from postmill.wire.framing import frame
from tests.daemon.running import Daemon
from tests.interop.postfix import wait_until
from tests.processes import alive

STUCK = Script(rules=[Rule("E", (StopAnswering(),))])


@pytest.fixture
def child() -> Generator[ScriptedChild, None, None]:
    with ScriptedChild() as child:
        yield child


@pytest.fixture
def daemon(child: ScriptedChild) -> Generator[Daemon, None, None]:
    daemon = Daemon({"milter": {"socket": str(child.endpoint)}})
    yield daemon
    daemon.__exit__()


def begin(mta: FakeMta) -> None:
    mta.negotiate()
    mta.client()
    mta.mail()
    mta.rcpt()


def finish(mta: FakeMta) -> str:
    mta.data()
    mta.end_of_headers()
    word = mta.end_of_message().word
    mta.quit()
    return word


def test_workers_share_the_sockets(daemon: Daemon) -> None:
    """Whichever of them is free serves: each goes on while the other one is stuck."""
    daemon.manager["workers"] = 2
    daemon.start()
    assert len(daemon.workers) == 2
    for stuck in daemon.workers:
        os.kill(stuck, signal.SIGSTOP)
        with FakeMta(daemon.endpoint) as mta:
            begin(mta)
            assert finish(mta) == "continue"
        os.kill(stuck, signal.SIGCONT)


def test_without_a_number_there_is_a_worker_for_each_processor(daemon: Daemon) -> None:
    daemon.manager["workers"] = 0
    daemon.start()
    assert len(daemon.workers) == os.cpu_count()


def test_a_low_limit_of_descriptors_is_raised(daemon: Daemon) -> None:
    daemon.prefix = ("prlimit", "--nofile=256:3000")
    daemon.start()
    limits = Path(f"/proc/{daemon.workers[0]}/limits").read_text()
    assert re.search(r"Max open files\s+3000\s+3000", limits)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_lost_worker_is_replaced(daemon: Daemon, number: signal.Signals) -> None:
    daemon.manager["workers"] = 2
    daemon.start()
    lost, kept = daemon.workers
    os.kill(lost, number)
    wait_until(lambda: len(daemon.workers) == 2 and lost not in daemon.workers, "another worker", 20)
    assert kept in daemon.workers
    daemon.wait_log(f"worker {lost} ended")
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        assert finish(mta) == "continue"


def test_workers_end_with_their_parent(daemon: Daemon) -> None:
    """Sessions under way may still finish, but nobody is left behind to hold the sockets."""
    daemon.manager |= {"workers": 2, "drain_timeout": "20s"}
    daemon.start()
    workers = daemon.workers
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        wait_until(lambda: sum(map(alive, workers)) == 1, "the end of the idle worker", 20)
        assert finish(mta) == "continue"
    wait_until(lambda: not any(map(alive, workers)), "the end of all workers", 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_sessions_finish(daemon: Daemon, number: signal.Signals) -> None:
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        daemon.signal(number)
        wait_until(lambda: not daemon.socket.exists(), "the end of the socket", 20)
        with pytest.raises((FileNotFoundError, ConnectionError)):
            FakeMta(daemon.endpoint).connect()
        assert finish(mta) == "continue"
    assert daemon.wait() == 0
    assert "cut off" not in daemon.log
    assert daemon.log.endswith("stopped\n")


@pytest.mark.parametrize("how", ["drain time-out", "second signal"])
def test_what_does_not_finish_is_cut_off_with_an_answer(
    daemon: Daemon, child: ScriptedChild, how: str
) -> None:
    child.script = STUCK
    daemon.manager |= {"workers": 2, "drain_timeout": "1s" if how == "drain time-out" else "60s"}
    daemon.start()
    with FakeMta(daemon.endpoint) as waiting, FakeMta(daemon.endpoint) as idle:
        for mta in (waiting, idle):
            begin(mta)
        waiting.data()
        waiting.end_of_headers()
        waiting.send_raw(frame(Command.BODYEOB))
        child.wait_for(lambda event: event.code == "E")
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.socket.exists(), "the end of the socket", 20)
        if how == "second signal":
            daemon.signal(signal.SIGTERM)
        assert waiting.wait_eof() == frame(ord("t"))
        assert idle.wait_eof() == b""
    assert daemon.wait() == 0
    assert "were cut off" in daemon.log
    child.wait_closed()
    assert {connection.how for connection in child.connections} == {"quit"}
    assert child.letters().count("A") == 2


def test_a_retired_worker_is_cut_off_at_a_stop(daemon: Daemon, child: ScriptedChild) -> None:
    """A reload has no time-out; a stop after it has."""
    daemon.manager["drain_timeout"] = "1s"
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        assert daemon.reload().returncode == 0
        assert mta.data().word == "continue"
        daemon.signal(signal.SIGTERM)
        assert mta.wait_eof() == b""
    assert daemon.wait() == 0


def test_connections_beyond_the_limit_wait(daemon: Daemon) -> None:
    daemon.manager["max_connections"] = 3
    daemon.start()
    links = [FakeMta(daemon.endpoint).connect() for _ in range(3)]
    for mta in links:
        mta.negotiate()
    with FakeMta(daemon.endpoint) as late:
        late.send_raw(frame(Command.OPTNEG, b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"))
        assert late.silent_for(0.3)
        links.pop().quit()
        assert late.receive()[0] == Command.OPTNEG
    for mta in links:
        mta.quit()
    daemon.wait_log("3 connections: no more are taken for now")


def test_many_sessions_at_once_beyond_the_limit(daemon: Daemon) -> None:
    daemon.manager |= {"max_connections": 5, "workers": 2}
    daemon.start()

    def session(_: int) -> str:
        with FakeMta(daemon.endpoint, timeout=30) as mta:
            begin(mta)
            return finish(mta)

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(session, range(120))) == {"continue"}


def test_a_session_bound_of_a_child_makes_others_wait(daemon: Daemon, child: ScriptedChild) -> None:
    daemon.milters["milter"]["max_sessions"] = 2  # type: ignore[index]
    daemon.start()
    with FakeMta(daemon.endpoint) as prime:
        begin(prime)
        finish(prime)
    child.wait_closed()
    most = 0
    lock = threading.Lock()

    def session(_: int) -> str:
        nonlocal most
        with FakeMta(daemon.endpoint, timeout=30) as mta:
            begin(mta)
            with lock:
                most = max(most, child.open_connections)
            return finish(mta)

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(session, range(30))) == {"continue"}
    assert 1 <= most <= 2


def test_impatience_does_not_change_how_it_ends(daemon: Daemon) -> None:
    daemon.start()
    process = daemon.process
    assert process is not None
    while process.poll() is None:
        process.terminate()
        time.sleep(0.001)
    assert process.returncode == 0
