"""`postmill policy`: the list of conditions, cases by hand, and cases in the way of a reload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postmill.cli.policy import command
from postmill.cli.rehearsing import rehearsed
from postmill.config import ConfigErrors
from postmill.daemon.configuration import load_configuration

CONFIGURATION = """\
[conditions.remote-network]
local = ["198.51.100.0/24"]

[milters.greylist]
socket = "/run/greylist"
when = ["remote-network", "unauthenticated"]
"""
CASES = """\
[[case]]
name = "our own network"
client.address = "198.51.100.7"
expect = { run = [], skipped = { greylist = "198.51.100.7" }, verdict = "accept" }

[[case]]
name = "the world"
answers.greylist.rcpt = "451 4.7.1 later"
expect = { run = ["greylist"], verdict = "tempfail", by = "greylist" }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "p.toml").write_text(CONFIGURATION)
    (tmp_path / "policy.d" / "cases.toml").write_text(CASES)
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    name, *rest = arguments
    return CliRunner().invoke(command, [name, "-c", str(directory / "p.toml"), *rest])


def test_cases_that_come_out(directory: Path) -> None:
    result = run(directory, "test")
    assert (result.exit_code, result.output) == (0, "2 cases, all as expected\n")
    verbose = run(directory, "test", "-v").output
    assert "our own network" in verbose
    assert "greylist: skipped (remote-network: 198.51.100.7" in verbose


def test_cases_that_do_not(directory: Path) -> None:
    file = directory / "policy.d" / "cases.toml"
    file.write_text(CASES.replace('verdict = "accept"', 'verdict = "reject"'))
    result = run(directory, "test")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"FAIL {file}:1: our own network",
        "     the verdict is accept, expected reject",
        "2 cases, 1 not as expected",
    ]
    assert [bool(one["complaints"]) for one in json.loads(run(directory, "test", "--json").output)] == [
        True,
        False,
    ]


def test_named_files_instead(directory: Path) -> None:
    other = directory / "other.toml"
    other.write_text('[[case]]\nname = "x"\n')
    assert run(directory, "test", str(other)).output == "1 case, all as expected\n"


def test_no_cases(directory: Path) -> None:
    (directory / "policy.d" / "cases.toml").unlink()
    assert run(directory, "test").output == "no cases\n"


def test_the_list_names_built_in_conditions_and_own_ones(directory: Path) -> None:
    (directory / "policy.d" / "own.py").write_text(
        "from postmill.api import *\n"
        '@condition("own-one")\ndef own_one(client: Client) -> Applies:\n    "What it is for."\n    return Apply()\n'
    )
    lines = run(directory, "list").output.splitlines()
    assert any(line.startswith("own-one ") and line.endswith("What it is for. [client]") for line in lines)
    assert any(line.startswith("s25r ") for line in lines)


def test_a_reload_is_refused_while_a_case_fails(directory: Path) -> None:
    loaded = load_configuration(directory / "p.toml")
    assert rehearsed(loaded) is loaded
    (directory / "policy.d" / "cases.toml").write_text(CASES.replace("run = []", 'run = ["greylist"]'))
    with pytest.raises(
        ConfigErrors, match=r"cases\.toml:1: case 'our own network': asked nobody, expected greylist"
    ):
        rehearsed(loaded)
