"""What operators do to a running daemon with mail going through it, and what the status tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, SessionPlan
from postmill.testing.script import Rule, Script, StopAnswering
from postmill.testing.words import reply
from postmill.wire.codes import Command
from postmill.wire.endpoint import Endpoint
from postmill.wire.framing import frame
from tests.daemon.running import Daemon, environment
from tests.interop.postfix import wait_until


def refusing(text: str) -> ScriptedChild:
    return ScriptedChild(Script(rules=[Rule("M", (reply(text),))]))


@pytest.fixture
def child() -> Generator[ScriptedChild, None, None]:
    with ScriptedChild() as child:
        yield child


@pytest.fixture
def daemon(child: ScriptedChild) -> Generator[Daemon, None, None]:
    daemon = Daemon({"spam": {"socket": str(child.endpoint)}})
    yield daemon
    daemon.__exit__()


def begin(mta: FakeMta) -> str:
    mta.negotiate()
    mta.client()
    mta.helo()
    return mta.mail().word


NOT_ASKED = ""
"""What an MTA hears at MAIL of a Postmill that has nobody to ask: it was told not to send it."""


def answer(daemon: Daemon) -> str:
    """What a new session is told at MAIL."""
    with FakeMta(daemon.endpoint, timeout=30) as mta:
        word = begin(mta)
        mta.quit()
        return word


def mail(daemon: Daemon, count: int = 1) -> None:
    FakeMta(daemon.endpoint).session(SessionPlan(mails=tuple(Mail() for _ in range(count))))


# -- modes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_a_disabled_milter_is_not_asked_until_it_is_enabled(workers: int) -> None:
    with refusing("550 5.7.1 spam") as spam, ScriptedChild() as other:
        milters = {"spam": {"socket": str(spam.endpoint)}, "other": {"socket": str(other.endpoint)}}
        with Daemon(milters, workers=workers) as daemon:
            assert answer(daemon) == "550 5.7.1 spam"
            assert daemon.ask("disable", milter="spam") == {
                "milter": "spam",
                "mode": "off",
                "was": "enforce",
                "overridden": True,
            }
            spam.wait_closed()
            asked = len(spam.connections)
            assert {answer(daemon) for _ in range(10)} == {"continue"}
            assert len(spam.connections) == asked
            assert len(other.connections) >= 10
            status = daemon.milter("spam")
            assert (status["mode"], status["state"]) == ("off", "off")
            assert (status["overridden"]["by"], status["overridden"]["in_file"]) == (user(), "enforce")
            assert daemon.ask("enable", milter="spam")["overridden"] is False
            assert {answer(daemon) for _ in range(5)} == {"550 5.7.1 spam"}
            assert daemon.milter("spam")["overridden"] is None
            assert f"{user()} (process {os.getpid()}) asks for: disable spam" in daemon.log


def user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def test_evaluated_it_is_asked_and_decides_nothing() -> None:
    with refusing("550 5.7.1 spam") as spam, Daemon({"spam": {"socket": str(spam.endpoint)}}) as daemon:
        daemon.ask("mode", milter="spam", mode="evaluate")
        assert answer(daemon) == "accept", "there is nobody left to be asked"
        assert spam.connections
        assert daemon.milter("spam")["mode"] == "evaluate"


def test_a_milter_that_the_file_has_off_can_be_enabled(daemon: Daemon, child: ScriptedChild) -> None:
    daemon.milters["spam"] = {"socket": str(child.endpoint), "mode": "off"}
    daemon.start()
    answer(daemon)
    assert not child.connections
    assert daemon.ask("enable", milter="spam")["mode"] == "enforce"
    answer(daemon)
    assert child.connections
    assert daemon.ask("disable", milter="spam")["overridden"] is False


def test_what_is_so_already_starts_no_workers(daemon: Daemon) -> None:
    daemon.start()
    workers = daemon.workers
    assert daemon.ask("enable", milter="spam")["was"] == "enforce"
    assert daemon.workers == workers


def test_a_reload_keeps_what_operators_changed_unless_told_otherwise(daemon: Daemon) -> None:
    daemon.start()
    daemon.ask("disable", milter="spam")
    daemon.ask("log-level", level="debug")
    since = daemon.ask("status")["configuration"]["since"]
    for _ in range(2):
        assert daemon.reload().returncode == 0
    status = daemon.ask("status")
    assert status["configuration"]["since"] > since
    assert (status["milters"][0]["mode"], status["log_level"]["level"]) == ("off", "debug")
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reloaded:", 3)
    assert daemon.milter("spam")["mode"] == "off"
    assert daemon.reload("--reset").returncode == 0
    status = daemon.ask("status")
    assert (status["milters"][0]["mode"], status["milters"][0]["overridden"]) == ("enforce", None)
    assert (status["log_level"]["level"], status["log_level"]["overridden"]) == ("info", None)


def test_a_reload_that_is_refused_keeps_them_too(daemon: Daemon) -> None:
    daemon.start()
    daemon.ask("disable", milter="spam")
    daemon.manager["listen"] = [f"unix:{daemon.directory}/missing/socket"]
    assert daemon.reload("--reset").returncode == 78
    assert daemon.milter("spam")["mode"] == "off"


def test_a_milter_that_is_not_there(daemon: Daemon) -> None:
    daemon.start()
    for command in (("enable", "spma"), ("disable", "spma"), ("mode", "spma", "off")):
        done = daemon.run(*command)
        assert done.returncode == 64
        assert done.stderr == "postmill: error: there is no milter 'spma'; did you mean spam?\n"


def test_no_session_is_lost_while_modes_change() -> None:
    """Twenty changes under continuous traffic; every session is answered by one whole configuration."""
    with ExitStack() as stack:
        spam = stack.enter_context(refusing("550 5.7.1 spam"))
        daemon = stack.enter_context(Daemon({"spam": {"socket": str(spam.endpoint)}}, workers=2))
        heard: list[str] = []
        stop = threading.Event()

        def traffic() -> None:
            while not stop.is_set():
                try:
                    heard.append(answer(daemon))
                except Exception as error:
                    heard.append(repr(error))

        clients = [threading.Thread(target=traffic) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for _ in range(10):
                daemon.ask("disable", milter="spam")
                daemon.ask("enable", milter="spam")
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert set(heard) == {"550 5.7.1 spam", NOT_ASKED}
        assert len(heard) > 40
        assert "error" not in daemon.log
        counted = daemon.ask("status")["messages"]
        assert counted["reject"] == heard.count("550 5.7.1 spam"), "counts outlive the workers"


def test_several_operators_at_once(daemon: Daemon) -> None:
    """Each gets an answer, and the last change is in force."""
    daemon.start()
    modes = ["off", "evaluate", "enforce"]
    results: list[dict[str, Any]] = []

    def change(number: int) -> None:
        for turn in range(3):
            results.append(daemon.ask("mode", milter="spam", mode=modes[(number + turn) % 3]))
            daemon.ask("status")

    operators = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    assert len(results) == 12
    last = [line for line in daemon.log.splitlines() if "asks for: mode" in line][-1]
    assert daemon.milter("spam")["mode"] == last.split()[-1]


DETAIL = " continue at mail in "

# -- log level ----------------------------------------------------------------------------------------------


def test_the_log_level_changes_everywhere_at_once(daemon: Daemon) -> None:
    """In a session under way too, whose worker was retired by a reload."""
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        assert daemon.reload().returncode == 0
        assert daemon.ask("log-level", level="debug") == {"level": "debug", "untold_workers": []}
        daemon.ask("status")  # every worker has read it by now
        mta.abort()
        mta.quit()
    daemon.wait_log(DETAIL)
    details = daemon.log.count(DETAIL)
    mail(daemon)
    wait_until(lambda: daemon.log.count(DETAIL) > details, "lines of the new worker", 20)
    daemon.ask("log-level", level="error")
    daemon.ask("status")
    before = daemon.log
    mail(daemon)
    wait_until(lambda: daemon.ask("status")["messages"]["accept"] == 2, "the record", 20)
    assert daemon.log == before
    assert daemon.ask("log-level", level="reset")["level"] == "info"
    daemon.ask("status")
    mail(daemon)
    wait_until(lambda: daemon.log.count("verdict=accept") == 2, "a line as the file wants them", 20)
    assert daemon.log.count(DETAIL) == before.count(DETAIL)


# -- what the status tells ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_the_status_of_a_daemon_at_work(daemon: Daemon, workers: int) -> None:
    daemon.manager["workers"] = workers
    daemon.start()
    for _ in range(4):
        mail(daemon, 2)
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        status = daemon.ask("status")
        assert status["sessions"] == 1
        assert status["milters"][0]["links"] == 1
        assert daemon.reload().returncode == 0
        status = daemon.ask("status")
        assert sorted((one["state"], one["sessions"]) for one in status["workers"]) == [
            ("finishing", 1),
            *[("serving", 0)] * workers,
        ]
        mta.abort()
        mta.quit()
    assert (status["pid"], status["user"], status["state"]) == (daemon.pid, user(), "serving")
    assert status["configuration"]["file"] == str(daemon.config)
    assert status["started"] <= status["configuration"]["since"] <= status["time"]
    assert status["listen"] == [daemon.endpoint]
    assert status["messages"] == {"accept": 8}
    (milter,) = status["milters"]
    assert milter["socket"] == str(daemon.milters["spam"]["socket"])
    assert (milter["asked"], milter["verdicts"], milter["errors"]) == (8, {"continue": 8}, {})
    counts = {stage: times["count"] for stage, times in milter["latency"].items()}
    assert counts == {"connect": 4, "helo": 4, "mail": 8, "rcpt": 8, "data": 8, "end-of-message": 8}
    assert all(0 < times["p50"] <= times["p99"] for times in milter["latency"].values())
    wait_until(lambda: daemon.ask("status")["messages"] == {"accept": 8, "aborted": 1}, "the last count", 20)


def test_a_milter_that_dies_and_comes_back() -> None:
    with ExitStack() as stack:
        daemon = Daemon()
        stack.callback(daemon.__exit__)
        spam = ScriptedChild(endpoint=Endpoint("unix", str(daemon.directory / "spam.sock"))).start()
        other = stack.enter_context(ScriptedChild())
        daemon.milters = {
            "spam": {
                "socket": str(spam.endpoint),
                "on_error": "accept",
                "breaker": {"failures": 2, "retry": "1s"},
            },
            "other": {"socket": str(other.endpoint)},
        }
        daemon.start()
        assert daemon.milter("spam")["state"] == "untried"
        answer(daemon)
        wait_until(lambda: daemon.milter("spam")["state"] == "up", "news of the milter", 20)
        spam.__exit__(None, None, None)
        answer(daemon)
        milter = daemon.milter("spam")
        assert milter["state"] == "down"
        assert "cannot connect" in milter["error"]["text"]
        assert daemon.run("status").returncode == 1
        answer(daemon)
        milter = daemon.milter("spam")
        assert milter["state"] == "left-alone"
        assert milter["until"] > milter["error"]["at"]
        wait_until(lambda: daemon.milter("spam")["errors"] == {"connect": 2}, "the count of faults", 20)
        back = stack.enter_context(ScriptedChild(endpoint=spam.endpoint))

        def asked_again() -> bool:
            answer(daemon)
            return bool(back.connections)

        wait_until(asked_again, "the milter to be asked again", 20)
        wait_until(lambda: daemon.milter("spam")["state"] == "up", "news of the milter", 20)
        assert daemon.run("status").returncode == 0


def test_links_that_wait_and_links_that_are_kept(daemon: Daemon, child: ScriptedChild) -> None:
    daemon.milters["spam"] |= {"max_sessions": 1, "pool": True}  # type: ignore[operator]
    daemon.start()
    mail(daemon)
    child.wait_closed()
    assert daemon.milter("spam")["pool"]["trust"] in ("untried", "proven", "refused", "trying")
    with FakeMta(daemon.endpoint) as first, FakeMta(daemon.endpoint) as second:
        begin(first)
        second.negotiate()
        second.send_raw(frame(Command.CONNECT, b"localhost\x004\0\x19127.0.0.1\0"))
        wait_until(lambda: daemon.milter("spam")["queued"] == 1, "a link that waits", 20)
        first.abort()
        first.quit()
        assert second.receive()[0] == ord("c")


def test_a_worker_that_hangs_is_named_and_hangs_nobody(daemon: Daemon) -> None:
    daemon.manager["workers"] = 2
    daemon.start()
    hanging, well = daemon.workers
    os.kill(hanging, signal.SIGSTOP)
    try:
        for _ in range(2):
            workers = {one["pid"]: one["answers"] for one in daemon.ask("status")["workers"]}
            assert workers == {hanging: False, well: True}
        done = daemon.run("status")
        assert done.returncode == 1
        assert f"process {hanging} does not answer" in done.stdout
        assert daemon.ask("log-level", level="debug")["level"] == "debug"
        assert daemon.ask("disable", milter="spam")["mode"] == "off", "new workers take over"
        daemon.wait_log(f"worker {hanging} does not react")
        assert answer(daemon) == NOT_ASKED
    finally:
        os.kill(hanging, signal.SIGCONT)
    wait_until(lambda: len(daemon.workers) == 2, "the end of the old workers", 20)
    assert all(one["answers"] for one in daemon.ask("status")["workers"])


def test_a_hanging_worker_is_killed_at_a_stop(daemon: Daemon) -> None:
    daemon.manager |= {"workers": 2, "drain_timeout": "1s"}
    daemon.start()
    hanging, _ = daemon.workers
    os.kill(hanging, signal.SIGSTOP)
    assert daemon.ask("stop", wait=True)["killed_workers"] == [hanging]
    assert daemon.wait() == 0
    daemon.wait_log(f"worker {hanging} did not finish; killing it")


# -- ending -------------------------------------------------------------------------------------------------


def run_later(daemon: Daemon, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "postmill", *command, "-c", str(daemon.config)],
        env=environment(NO_COLOR="1"),
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with process:
        return process.stdout.read().strip()


def test_stop_lets_sessions_finish_and_returns_when_all_is_over(daemon: Daemon) -> None:
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        stopping = run_later(daemon, "stop")
        wait_until(lambda: not daemon.socket.exists(), "the end of the socket", 20)
        assert stopping.poll() is None
        status = daemon.ask("status")
        assert (status["state"], status["sessions"]) == ("stopping", 1)
        assert [one["state"] for one in status["workers"]] == ["finishing"]
        for command in (("enable", "spam"), ("reload",)):
            done = daemon.run(*command)
            assert done.returncode in (69, 78)
            assert "Postmill is stopping" in done.stderr
        assert mta.rcpt().word == "continue"
        mta.abort()
        mta.quit()
    assert output(stopping) == "stopped"
    assert stopping.returncode == 0
    assert daemon.wait() == 0
    assert not (daemon.directory / "control.sock").exists()


def test_stop_now_answers_and_cuts_off(daemon: Daemon, child: ScriptedChild) -> None:
    child.script = Script(rules=[Rule("E", (StopAnswering(),))])
    daemon.manager["workers"] = 2
    daemon.start()
    with FakeMta(daemon.endpoint) as waiting, FakeMta(daemon.endpoint) as idle:
        for mta in (waiting, idle):
            begin(mta)
        waiting.rcpt()
        waiting.data()
        waiting.end_of_headers()
        waiting.send_raw(frame(Command.BODYEOB))
        child.wait_for(lambda event: event.code == "E")
        if len(daemon.workers) == 2:
            result = daemon.ask("stop", now=True, wait=True)
        assert result == {"state": "ended", "cut_off": 2, "killed_workers": []}
        assert waiting.wait_eof() == frame(ord("t"))
        assert idle.wait_eof() == b""
    assert daemon.wait() == 0


def test_drain_gives_sessions_all_the_time_they_want(daemon: Daemon) -> None:
    daemon.manager["drain_timeout"] = "1s"
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        done = daemon.run("drain")
        assert (done.returncode, done.stdout.partition(":")[0]) == (0, "draining")
        with pytest.raises((FileNotFoundError, ConnectionError)):
            FakeMta(daemon.endpoint).connect()
        waiting = run_later(daemon, "drain", "--wait", "--json")
        time.sleep(3)  # beyond the drain time-out
        assert daemon.ask("status")["state"] == "draining"
        assert mta.rcpt().word == "continue"
        mta.abort()
        mta.quit()
    assert json.loads(output(waiting)) == {"state": "ended", "cut_off": 0, "killed_workers": []}
    assert daemon.wait() == 0
    assert "cut off" not in daemon.log


@pytest.mark.parametrize("how", ["stop", "signal", "stop now"])
def test_a_drain_can_be_hastened(daemon: Daemon, how: str) -> None:
    daemon.manager["drain_timeout"] = "1s" if how != "stop now" else "60s"
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        daemon.ask("drain")
        if how == "signal":
            daemon.signal(signal.SIGTERM)
        else:
            daemon.ask("stop", now=how == "stop now")
        assert mta.wait_eof() == b""
    assert daemon.wait() == 0
    assert "1 sessions were cut off" in daemon.log


def test_a_service_manager_that_signals_every_process_cuts_nobody_off(daemon: Daemon) -> None:
    """systemd sends SIGTERM to the parent and to its workers, who get another one from the parent."""
    daemon.start()
    with FakeMta(daemon.endpoint) as mta:
        begin(mta)
        for pid in (*daemon.workers, daemon.pid, *daemon.workers):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not daemon.socket.exists(), "the end of the socket", 20)
        assert mta.rcpt().word == "continue"
        mta.abort()
        mta.quit()
    assert daemon.wait() == 0
    assert "cut off" not in daemon.log
