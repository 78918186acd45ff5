"""Policies: what a directory of Python files gives, the words for what is wrong with it, and a daemon with one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from postmill.api import Apply, Client
from postmill.config import ConfigErrors
from postmill.daemon.configuration import load_configuration
from postmill.daemon.policies import directory_of, load_policies
from postmill.errors import ConfigError
from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Script
from tests.daemon.running import Daemon
from tests.interop.postfix import wait_until

HOUSE = '''\
"""House rules."""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Client, Sender, Skip, condition, key
from postmill.api.kinds import Text


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to spare."""

    vip: str = key(Text(), "boss@example.com", "The sender who is spared.")


@condition("not-the-boss", Settings)
def not_the_boss(sender: Sender, settings: Settings) -> Applies:
    """Ask the milter unless the boss writes."""
    return Skip("the boss writes") if sender.address.text == settings.vip else Apply()


@condition("house-slow")
async def house_slow(client: Client) -> Applies:
    """Wait for what never comes."""
    import asyncio

    await asyncio.sleep(3600)
    return Apply()
'''


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policy.d"
    directory.mkdir()
    return directory


def test_the_conditions_of_all_files(policies: Path) -> None:
    (policies / "house.py").write_text(HOUSE)
    (policies / "more.py").write_text(HOUSE.replace("not-the-boss", "b").replace("house-slow", "c"))
    (policies / "notes.txt").write_text("no policy")
    found = load_policies(policies, {})
    assert sorted(found) == ["b", "c", "house-slow", "not-the-boss"]
    assert found["not-the-boss"].doc == "Ask the milter unless the boss writes."


def test_a_changed_file_is_read_anew(policies: Path) -> None:
    (policies / "x.py").write_text(HOUSE)
    load_policies(policies, {})
    (policies / "x.py").write_text(HOUSE.replace("Ask the milter", "Bother it"))
    assert load_policies(policies, {})["not-the-boss"].doc.startswith("Bother it")


def test_no_directory_is_no_policy(tmp_path: Path) -> None:
    assert load_policies(tmp_path / "policy.d", {}) == {}
    assert directory_of("/etc/postmill/postmill.toml") == Path("/etc/postmill/policy.d")


IMPORTS = "from postmill.api import *\n"
ONE = '@condition("one")\ndef one(client: Client) -> Applies:\n    return Apply()\n'
WRONG = {
    "syntax": ("def (:\n", "x.py:1: SyntaxError: invalid syntax"),
    "raises": ("\n1 / 0\n", "x.py:2: ZeroDivisionError: division by zero"),
    "an import that is not there": (
        "import not_there_at_all\n",
        "x.py:1: ModuleNotFoundError: No module named 'not_there_at_all'",
    ),
    "wrong signature": (
        IMPORTS + '@condition("one")\ndef one(client) -> Applies: ...\n',
        "x.py:2: TypeError: condition one: its first parameter must be annotated",
    ),
    "twice": (IMPORTS + ONE + ONE.replace("def one", "def two"), "x.py:5: condition one stands in"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_file_and_line(name: str, policies: Path) -> None:
    text, expected = WRONG[name]
    (policies / "x.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policies(policies, {})
    assert str(caught.value).removeprefix(f"{policies}/").startswith(expected)


def test_a_built_in_name_is_taken(policies: Path) -> None:
    (policies / "x.py").write_text(IMPORTS + ONE)
    built_in = load_policies(policies, {})
    with pytest.raises(ConfigError, match=r"x\.py:2: condition one is built in; choose another name"):
        load_policies(policies, built_in)


def test_a_file_that_anybody_may_write_is_not_executed(policies: Path) -> None:
    file = policies / "x.py"
    file.write_text("raise SystemExit\n")
    file.chmod(0o666)
    with pytest.raises(ConfigError, match=r"may be written by anybody \(chmod o-w "):
        load_policies(policies, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_root_executes_no_file_of_another_user(policies: Path) -> None:
    file = policies / "x.py"
    file.write_text("raise SystemExit\n")
    os.chown(file, 65534, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load_policies(policies, {})


def test_a_configuration_names_built_in_conditions_and_its_own(policies: Path) -> None:
    (policies / "house.py").write_text(HOUSE)
    file = policies.parent / "postmill.toml"
    file.write_text(
        '[conditions.not-the-boss]\nvip = "me@example.com"\n'
        '[milters.m]\nsocket = "/run/m"\nwhen = ["remote-network", "not-the-boss"]\n'
    )
    uses = load_configuration(file).settings.milters[0].conditions
    assert [use.name for use in uses] == ["remote-network", "not-the-boss"]
    assert isinstance(uses[0].condition.ask(Client("x", None), uses[0].settings, {}), Apply) is False
    assert uses[1].settings.vip == "me@example.com"
    (policies / "house.py").write_text("1 / 0\n")
    with pytest.raises(ConfigErrors, match=r"policy\.d/house\.py:1: ZeroDivisionError"):
        load_configuration(file)


def send(endpoint: str, sender: bytes) -> str:
    with FakeMta(endpoint) as mta:
        mta.negotiate()
        mta.client()
        mta.helo()
        word = mta.mail(sender).word
        mta.quit()
        return word


def test_a_daemon_with_policies() -> None:
    """A condition in Python skips; one that hangs is a fault after its time-out; a reload takes a new file."""
    with ScriptedChild(Script()) as child:
        socket = str(child.endpoint)
        daemon = Daemon(
            {"m": {"socket": socket, "when": ["not-the-boss"]}}, condition_timeout="1s", workers=2
        )
        (daemon.directory / "policy.d").mkdir()
        (daemon.directory / "policy.d" / "house.py").write_text(HOUSE)
        daemon.log_settings["format"] = "json"
        with daemon:
            assert send(daemon.endpoint, b"<x@example.com>") == "continue"
            assert send(daemon.endpoint, b"<boss@example.com>") == "continue"
            daemon.milters["m"]["when"] = ["house-slow"]  # type: ignore[index]
            assert daemon.reload().returncode == 0
            assert send(daemon.endpoint, b"<x@example.com>") == "tempfail"
            (daemon.directory / "policy.d" / "house.py").write_text("1 / 0\n")
            refused = daemon.reload()
            assert refused.returncode == 78
            assert "house.py:1: ZeroDivisionError" in refused.stderr
            wait_until(lambda: daemon.log.count('"sender"') >= 3, "the records")
            lines = [json.loads(line) for line in daemon.log.splitlines()]
    records = [line["message"] for line in lines if "message" in line]
    words = [record["children"][0]["verdict"] for record in records if record["sender"] is not None]
    assert words[:2] == ["continue", "skipped"]
    assert any(
        "condition house-slow: TimeoutError: no answer within 1 s" in str(record) for record in records
    )
