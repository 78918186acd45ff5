"""Log lines: what a message's line says, for people and as JSON, and where lines go."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from postmill.config.settings import LogSettings
from postmill.daemon import logs
from postmill.errors import UnavailableError
from postmill.record import MessageRecord
from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Recipient
from postmill.testing.script import CONTINUE, Close, Rule, Script
from postmill.testing.words import edit, reply
from tests.daemon.running import Daemon

ID = b"4QUEUEID1"
MAIL = Mail(recipients=(Recipient(b"<a@x.org>"), Recipient(b"<b@x.org>")), queue_id=ID)
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "


@pytest.fixture
def daemon() -> Generator[Daemon, None, None]:
    """A chain in which one child edits, one is lost at the end of the message, and one refuses."""
    editing = Script(rules=[Rule("E", (edit("add-header:X-A:1"), edit("add-header:X-B:2"), CONTINUE))])
    dying = Script(rules=[Rule("E", (Close(),))])
    refusing = Script(rules=[Rule("E", (reply("550 5.7.1 Spam"),))])
    with ScriptedChild(editing) as first, ScriptedChild(dying) as second, ScriptedChild(refusing) as third:
        daemon = Daemon(
            {
                "signer": {"socket": str(first.endpoint)},
                "greylist": {"socket": str(second.endpoint), "on_error": "accept"},
                "spam": {"socket": str(third.endpoint)},
            }
        )
        yield daemon
        daemon.__exit__()


def lines_about_the_message(daemon: Daemon) -> list[str]:
    FakeMta(daemon.endpoint).deliver(MAIL)
    daemon.wait_log("verdict=reject")
    daemon.stop()
    return [line for line in daemon.log.splitlines() if ID.decode() in line]


def test_lines_for_people(daemon: Daemon) -> None:
    daemon.start()
    message, lost = sorted(lines_about_the_message(daemon), key=lambda line: "warning" in line)
    assert re.fullmatch(
        STAMP + r"postmill\[\d+\]: 4QUEUEID1: client=localhost\[127\.0\.0\.1\] "
        r"from=<sender@example\.com> to=<a@x\.org>,<b@x\.org> "
        r'verdict=reject at end-of-message by spam reply="550 5\.7\.1 Spam" '
        r"signer=continue/\d+\.\dms add-header:2 greylist=lost:closed/\d+\.\dms spam=reject/\d+\.\dms",
        message,
    ), message
    assert re.fullmatch(
        STAMP
        + r"postmill\[\d+\]: warning: 4QUEUEID1: greylist: lost:closed at end-of-message in \d+\.\d ms: .+",
        lost,
    ), lost


def test_each_answer_on_level_debug(daemon: Daemon) -> None:
    daemon.log_settings = {"level": "debug"}
    daemon.start()
    lines = lines_about_the_message(daemon)
    for child in ("signer", "greylist", "spam"):
        for stage in ("connect", "helo", "mail", "rcpt", "data", "end-of-message"):
            assert any(f"4QUEUEID1: {child}: " in line and f" at {stage} in " in line for line in lines)


def test_lines_as_json(daemon: Daemon) -> None:
    daemon.log_settings = {"format": "json"}
    daemon.start()
    FakeMta(daemon.endpoint).deliver(MAIL)
    daemon.wait_log("verdict=reject")
    daemon.stop()
    values: list[dict[str, Any]] = [json.loads(line) for line in daemon.log.splitlines()]
    for value in values:
        assert {"time", "level", "logger", "pid", "text"} <= set(value)
    (message,) = (value["message"] for value in values if "message" in value)
    assert message["queue_id"] == "4QUEUEID1"
    assert (message["verdict"], message["by"], message["stage"]) == ("reject", "spam", "end-of-message")
    assert message["reply"] == "550 5.7.1 Spam"
    assert [recipient["address"] for recipient in message["recipients"]] == ["<a@x.org>", "<b@x.org>"]
    assert [(child["name"], child["verdict"]) for child in message["children"]] == [
        ("signer", "continue"),
        ("greylist", "lost:closed"),
        ("spam", "reject"),
    ]
    assert message["children"][0]["edits"] == {"add-header": 2}


def test_lines_for_the_journal(daemon: Daemon) -> None:
    """Priority in front as sd-daemon(3) has it; time, name and process id are what the journal itself adds."""
    daemon.log_settings = {"to": "journal"}
    daemon.start()
    FakeMta(daemon.endpoint).deliver(MAIL)
    daemon.wait_log("verdict=reject")
    daemon.stop()
    lines = daemon.log.splitlines()
    assert all(re.match(r"<[2-7]>\S", line) for line in lines), daemon.log
    assert "postmill[" not in daemon.log
    assert any(line.startswith("<6>4QUEUEID1: client=localhost[127.0.0.1] ") for line in lines)
    assert any(line.startswith("<4>warning: 4QUEUEID1: greylist: lost:") for line in lines)


@pytest.fixture
def own_logger() -> Generator[None, None, None]:
    """Gives the process its logger back."""
    root = logging.getLogger("postmill")
    handlers, level, propagate = list(root.handlers), root.level, root.propagate
    root.handlers.clear()
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagate


@pytest.mark.usefixtures("own_logger")
def test_lines_for_syslog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = str(tmp_path / "log")
    monkeypatch.setattr(logs, "SYSLOG", address)
    with pytest.raises(UnavailableError, match=r"set log\.to"):
        logs.configure(LogSettings("info", "human", "syslog"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system:
        system.bind(address)
        system.settimeout(10)
        logs.configure(LogSettings("info", "human", "syslog"))
        logs.log_message(MessageRecord(session="s1", queue_id="Q1", verdict="accept"))
        line = system.recv(4096).rstrip(b"\0").decode()
        assert re.fullmatch(r"<22>postmill\[\d+\]: Q1: verdict=accept", line), "facility mail, priority info"
        logging.getLogger("postmill.child").error("down")
        assert system.recv(4096).startswith(b"<19>postmill[")
        logs.configure(LogSettings("warning", "json", "syslog"))
        logs.log_message(MessageRecord(session="s1", queue_id="Q2", verdict="accept"))
        logging.getLogger("postmill.child").warning("slow")
        tag, _, value = system.recv(4096).rstrip(b"\0").decode().partition(": ")
        assert re.fullmatch(r"<20>postmill\[\d+\]", tag)
        assert json.loads(value)["text"] == "slow"


def test_a_line_stays_one_line(daemon: Daemon) -> None:
    """What a client says cannot forge log lines."""
    daemon.start()
    evil = Mail(
        sender=b"<a\n4FORGED: verdict=accept@x>", recipients=(Recipient(b"<b\r\n\x1b[2J@x>"),), queue_id=ID
    )
    FakeMta(daemon.endpoint).deliver(evil)
    daemon.wait_log("verdict=reject")
    daemon.stop()
    assert not [line for line in daemon.log.splitlines() if line.startswith("4FORGED")]
    assert "\x1b" not in daemon.log
