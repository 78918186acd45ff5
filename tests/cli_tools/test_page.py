"""What the page about testing shows is what works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from postmill.cli import milter, postmill, send
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Default, Rule, Script
from postmill.testing.script_file import load_script
from postmill.testing.showing import ERROR_STATUS, EXIT_STATUS
from postmill.testing.words import edit

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
COMMANDS = re.findall(r"^\$ postmill (.*)$", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_there_is_something_to_test() -> None:
    assert len(COMMANDS) > 8
    assert len(EXAMPLES) == 2
    assert postmill.name == "postmill"


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_can_be_given_like_that(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.eml", "two.eml", "virus.eml"):
        (tmp_path / name).write_text("Subject: x\n\n")
    name, *args = shlex.split(line)
    command = {"send": send.command, "milter": milter.command}[name]
    options = command.make_context(name, args).params
    if name == "send":
        send.plan_of(options.pop("files"), options)
    else:
        milter.script_of(options)


def example(number: int, name: str) -> Callable[..., None]:
    names: dict[str, Callable[..., None]] = {}
    exec(compile(EXAMPLES[number], "docs/testing.md", "exec"), names)
    return names[name]


def test_the_first_python_example() -> None:
    script = Script(rules=[Rule("E", (edit("add-header:X-Seen:yes"), Default()))])
    with ScriptedChild(script) as child:
        example(0, "test_my_milter")(child.endpoint)


def test_the_second_python_example() -> None:
    example(1, "test_my_manager")()


def test_the_script_file_is_one() -> None:
    found = re.search(r"^```\n(\[negotiate\].*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    assert len(load_script(found[1]).rules) == 2


def test_the_exit_statuses_are_those_of_the_table() -> None:
    rows = dict(re.findall(r"^\| ([0-9, ]+) \| (.*) \|$", PAGE, re.MULTILINE))
    assert rows["10, 11, 12, 13"] == ", ".join(f"`{word}`" for word, status in EXIT_STATUS.items() if status)
    assert set(ERROR_STATUS.values()) - {70} == {69, 75, 76}
