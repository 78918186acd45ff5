"""The tools at both ends of a running Postmill: `postmill send` in front, scripted children behind."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmill.cli.send import command
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Default, Rule, Script
from postmill.testing.words import edit, reply
from tests.cli_tools.running import run
from tests.stack import peers
from tests.stack.manager import Manager

FIRST = Script(
    rules=[Rule("E", (edit("add-header:X-First:1"), edit("change-header:1:Subject:new"), Default()))]
)
SECOND = Script(
    rules=[
        Rule("R", (reply("550 5.7.1 no"),), containing=b"nobody@"),
        Rule("E", (edit("insert-header:0:X-Second:2"), edit("replace-body:new"), reply("accept"))),
    ]
)


@pytest.fixture
def directory() -> Iterator[Path]:
    peers.require()
    path = Path(tempfile.mkdtemp(prefix="pm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_edits_and_refusals_of_two_children_come_out_in_front(directory: Path) -> None:
    with ScriptedChild(FIRST) as first, ScriptedChild(SECOND) as second:
        children = {"first": {"socket": str(first.endpoint)}, "second": {"socket": str(second.endpoint)}}
        with Manager(directory, children) as manager:
            args = [manager.endpoint, "-t", "a@example.org", "-t", "nobody@example.org", "-H", "Subject: old"]
            result = run(command, *args, "--repeat", "2", "--json")
            assert result.status == 0, result
            for mail in json.loads(result.out)["messages"]:
                assert mail["headers"] == [["X-Second", " 2"], ["Subject", " new"], ["X-First", " 1"]]
                assert mail["body"] == "new\r\n"
                assert mail["recipients"] == ["<a@example.org>"]
                assert mail["refused"] == [{"recipient": "<nobody@example.org>", "reply": "550 5.7.1 no"}]
            many = run(command, manager.endpoint, "-n", "100", "-c", "20", "-t", "nobody@example.org")
            assert many.status == 0
            assert "reject: 100" in many.lines
        headers = [event.payload for event in second.events if event.code == "L"]
        assert headers[:2] == [b"Subject\0new\0", b"X-First\0001\0"]
