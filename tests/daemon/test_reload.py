"""`postmill reload` and SIGHUP: the new configuration, or the old one and the reason why."""

from __future__ import annotations

import json
import signal
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Rule, Script
from postmill.testing.words import reply
from tests.daemon.running import Daemon
from tests.daemon.traffic import continuous


def refusing(text: str) -> ScriptedChild:
    return ScriptedChild(Script(rules=[Rule("M", (reply(text),))]))


@pytest.fixture
def old() -> Generator[ScriptedChild, None, None]:
    with refusing("550 5.7.1 old") as child:
        yield child


@pytest.fixture
def new() -> Generator[ScriptedChild, None, None]:
    with refusing("550 5.7.1 new") as child:
        yield child


def said_to_mail(mta: FakeMta) -> str:
    return mta.mail().word


def begin(mta: FakeMta) -> None:
    mta.negotiate()
    mta.client()
    mta.helo()


def milter(child: ScriptedChild) -> dict[str, str]:
    return {"socket": str(child.endpoint)}


def answer(endpoint: str) -> str:
    """What a new session is told at MAIL."""
    with FakeMta(endpoint) as mta:
        begin(mta)
        word = said_to_mail(mta)
        mta.quit()
        return word


def test_sessions_under_way_finish_on_the_old_one(old: ScriptedChild, new: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}, workers=2) as daemon:
        with FakeMta(daemon.endpoint) as mta:
            begin(mta)
            assert said_to_mail(mta) == "550 5.7.1 old"
            mta.abort()
            daemon.milters["milter"] = milter(new)
            result = daemon.reload()
            assert (result.returncode, result.stdout.partition(":")[0]) == (0, "reloaded"), result.stderr
            assert answer(daemon.endpoint) == "550 5.7.1 new"
            assert said_to_mail(mta) == "550 5.7.1 old"
            mta.quit()
        assert {answer(daemon.endpoint) for _ in range(10)} == {"550 5.7.1 new"}


def test_a_typo_changes_nothing(old: ScriptedChild) -> None:
    """With the predecessor it left no filters at all, and all mail passed."""
    with Daemon({"milter": milter(old)}) as daemon:
        workers = daemon.workers
        daemon.milters["milter"] = {**milter(old), "on_eror": "accept"}
        result = daemon.reload()
        assert result.returncode == 78
        assert f"{daemon.config}:" in result.stderr
        assert "on_error" in result.stderr, "the nearest spelling"
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reload refused, the old configuration stays in force")
        line = next(line for line in daemon.log.splitlines() if "refused" in line)
        assert f"{daemon.config}:" in line
        assert "on_eror" in line
        assert answer(daemon.endpoint) == "550 5.7.1 old"
        assert daemon.workers == workers


def test_the_daemon_itself_refuses_when_it_is_named(old: ScriptedChild) -> None:
    """So its status tells it, too: a service manager asks in this way."""
    with Daemon({"milter": milter(old)}) as daemon:
        daemon.milters["milter"] = {**milter(old), "on_eror": "accept"}
        result = daemon.reload("--pid", str(daemon.pid))
        assert result.returncode == 78
        assert "refused, the old configuration stays in force" in result.stderr
        assert f"{daemon.config}:" in result.stderr
        daemon.wait_log("reload refused, the old configuration stays in force")
        assert answer(daemon.endpoint) == "550 5.7.1 old"


def test_what_takes_a_restart_is_named(old: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}) as daemon:
        daemon.manager |= {"socket_mode": "0600", "workers": 2}
        result = daemon.reload()
        assert result.returncode == 0
        assert result.stdout.rstrip().endswith("only after a restart: manager.socket_mode")
        assert len(daemon.workers) == 2
        assert "only after" not in daemon.reload().stdout, "said once, when it is changed"


def test_what_only_the_daemon_can_find_out_is_told_too(old: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}) as daemon:
        daemon.manager["listen"] = [daemon.endpoint, f"unix:{daemon.directory}/missing/socket"]
        result = daemon.reload()
        assert result.returncode == 78
        assert "stays in force" in result.stderr
        assert "missing/socket" in result.stderr
        assert answer(daemon.endpoint) == "550 5.7.1 old"


def test_the_wrong_process_is_left_alone(old: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}) as daemon:
        for arguments, text in (
            (("--pid", str(daemon.workers[0])), f"the daemon is process {daemon.pid}"),
            (("--pid", "1"), "not a running Postmill"),
            (("--pid-file", "/nonexistent"), "cannot read the pid file"),
            (("--pid-file", str(daemon.config)), "no process id"),
        ):
            result = daemon.reload(*arguments)
            assert (result.returncode, text in result.stderr) == (69, True), result.stderr
        daemon.manager["pid_file"] = daemon.control["socket"] = ""
        result = daemon.reload()
        assert (result.returncode, "manager.pid_file" in result.stderr) == (69, True)
        assert daemon.reload("--pid", str(daemon.pid)).returncode == 0


def test_it_goes_over_the_control_socket_or_by_a_signal(old: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}, pid_file="") as daemon:
        assert daemon.reload().returncode == 0
        assert "asks for: reload" in daemon.log
        daemon.control["socket"] = f"unix:{daemon.directory}/nowhere"
        result = daemon.reload()
        assert (result.returncode, "cannot reach the daemon" in result.stderr) == (69, True)
        (daemon.directory / "pid").write_text(str(daemon.pid))
        daemon.manager["pid_file"] = str(daemon.directory / "pid")
        assert daemon.reload().returncode == 0
        assert daemon.log.count("asks for") == 1
        assert daemon.log.count("reloaded:") == 2
        result = daemon.reload("--reset")
        assert (result.returncode, "cannot reach the daemon" in result.stderr) == (69, True)


def test_the_outcome_as_json(old: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}) as daemon:
        assert "1 workers; milter" in json.loads(daemon.reload("--json").stdout)["text"]
        daemon.manager["listen"] = [f"unix:{daemon.directory}/missing/socket"]
        result = daemon.reload("--json")
        assert (result.returncode, json.loads(result.stdout)["error"]["status"]) == (78, 78)


def test_listeners_come_and_go(old: ScriptedChild, new: ScriptedChild) -> None:
    with Daemon({"milter": milter(old)}) as daemon:
        other = daemon.directory / "other.sock"
        daemon.manager["listen"] = [daemon.endpoint, f"unix:{other}"]
        assert daemon.reload().returncode == 0
        assert answer(f"unix:{other}") == answer(daemon.endpoint) == "550 5.7.1 old"
        daemon.manager["listen"] = [f"unix:{other}"]
        daemon.milters["milter"] = milter(new)
        assert daemon.reload().returncode == 0
        assert answer(f"unix:{other}") == "550 5.7.1 new"
        assert not daemon.socket.exists()
        with pytest.raises(FileNotFoundError):
            FakeMta(daemon.endpoint).connect()


def test_no_session_fails_during_reloads() -> None:
    """Twenty reloads under continuous traffic; each session is told something by one whole configuration."""
    words = {f"550 5.7.1 generation {number % 2}" for number in range(2)}
    with ExitStack() as stack:
        children = [stack.enter_context(refusing(word)) for word in sorted(words)]
        daemon = stack.enter_context(Daemon({"milter": milter(children[0])}, workers=2))
        with continuous(lambda: answer(daemon.endpoint)) as heard:
            for number in range(20):
                daemon.milters["milter"] = milter(children[(number + 1) % 2])
                daemon.write()
                daemon.signal(signal.SIGHUP)
                daemon.wait_log("reloaded:", number + 1)
        assert set(heard) == words
        assert len(heard) > 40
        assert "error" not in daemon.log
