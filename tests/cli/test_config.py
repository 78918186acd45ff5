"""``postmill config check|show|describe`` as a person meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from postmill.conditions import shelf
from postmill.config import load
from postmill.config.describing import entries
from postmill.daemon.filters import built_in_filters
from postmill.filters.rules import Rule

GOOD = """\
[manager]
listen = ["unix:/run/p.sock"]
same_as_postfix = ["shutdown", "quarantine"]
spool_threshold = 1000

[milters.b]
socket = "inet6:11332@::1"
order = 2
timeouts.connect = 0.25
macros.mail = { trusted_domain = "a \\"b\\" # \\\\ é\\u007f" }

[milters.a]
socket = "unix:/a"
mode = "off"
order = 1
breaker.retry = "1.5s"
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "p.toml"
    file.write_text(GOOD)
    return file


def config(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name != "POSTMILL_CONFIG"}
    return subprocess.run(
        [sys.executable, "-m", "postmill", "config", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**plain, **environment},
    )


def test_check_a_good_file(good: Path) -> None:
    done = config("check", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{good}: ok; milters: b\n", "")


def test_check_a_bad_file(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[log]\nlevle = 1\nformat = "xml"\n')
    done = config("check", file)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.splitlines() == [
        f"postmill: error: {file}:2: log.levle: unknown key (did you mean level?)",
        f'postmill: error: {file}:3: log.format: must be "human" or "json", not "xml"',
    ]


def test_check_warns(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("")
    done = config("check", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: ok; milters: none\n")
    assert done.stderr.startswith(f"postmill: warning: {file}: no milter is in use")


@pytest.mark.parametrize("way", ["argument", "option", "long option", "environment"])
def test_ways_to_name_the_file(way: str, good: Path) -> None:
    done = {
        "argument": lambda: config("check", good, POSTMILL_CONFIG="/nonexistent"),
        "option": lambda: config("check", "-c", good, POSTMILL_CONFIG="/nonexistent"),
        "long option": lambda: config("check", "--config", good),
        "environment": lambda: config("check", POSTMILL_CONFIG=str(good)),
    }[way]()
    assert done.stdout == f"{good}: ok; milters: b\n"


def test_show_says_where_each_value_came_from(good: Path) -> None:
    shown = {
        line.partition("#")[0].strip(): line.rpartition("# ")[2]
        for line in config("show", good).stdout.splitlines()
        if " = " in line
    }
    assert shown['listen = ["unix:/run/p.sock"]'] == f"{good}:2"
    assert shown['timeouts.connect = "250ms"'] == f"{good}:9"
    assert shown['breaker.retry = "1.5s"'] == f"{good}:16"
    assert shown['level = "info"'] == "default"
    assert shown["spool_threshold = 1000"] == f"{good}:4"


def test_show_puts_milters_in_their_order(good: Path) -> None:
    heads = [line for line in config("show", good).stdout.splitlines() if line.startswith("[milters.")]
    assert heads == ["[milters.a]", "[milters.b]"]


def test_what_show_prints_means_the_same_when_read_again(good: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.toml"
    again.write_text(config("show", good).stdout)
    assert load(again).settings == load(good).settings
    assert not any(origin.is_default for origin in load(again).origins.values()), "show leaves nothing out"


def test_show_json(good: Path) -> None:
    shown = json.loads(config("show", "--json", good).stdout)
    assert shown["file"] == str(good)
    assert shown["settings"]["milters"]["b"]["timeouts"] == {
        "connect": "250ms",
        "command": "25s",
        "content": "5m",
    }
    assert shown["origins"]["milters.b.socket"] == f"{good}:7"
    assert shown["origins"]["manager.user"] == "default"
    assert shown["warnings"] == []


def test_describe_lists_every_key() -> None:
    keys = [line.partition(" = ")[0] for line in config("describe").stdout.splitlines()]
    assert keys == [entry.key for entry in entries(shelf=shelf(), filters=built_in_filters())]
    assert "conditions.percentage.of" in keys
    assert "milters.NAME.timeouts.connect" in keys


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ("manager.listen", ["manager.listen"]),
        ("on_error", ["milters.NAME.on_error", "filter.on_error"]),
        ("milters.clamav.pool_idle", ["milters.NAME.pool_idle"]),
        ("[log]", ["log.level", "log.format", "log.to"]),
        ("NAME.breaker", [f"milters.NAME.breaker.{name}" for name in ("failures", "retry", "retry_max")]),
        ("timeouts.content", ["milters.NAME.timeouts.content", "filter.timeouts.content"]),
        ("filter.use", ["filter.use"]),
        ("on_infected", ["filter.settings.on_infected"]),
        ("clamav.reject_text", ["filter.settings.reject_text"]),
        ("rules.rule[].types", ["filter.settings.rule[].types"]),
        (
            "rules",
            [
                "filter.settings.rules",
                "filter.settings.rule",
                *(f"filter.settings.rule[].{one.name}" for one in fields(Rule)),
            ],
        ),
        (
            "message-size",
            [f"conditions.message-size.{name}" for name in ("at_least", "at_most", "trust_announced")],
        ),
    ],
)
def test_describe_understands_parts_of_keys(asked: str, keys: list[str]) -> None:
    done = config("describe", asked)
    heads = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert (done.returncode, heads) == (0, keys)


def test_describe_says_what_is_allowed_and_the_default() -> None:
    assert config("describe", "log.format").stdout == (
        'log.format   (default: "human")\n'
        "  Lines for people, or one JSON object on each line.\n"
        '  Must be "human" or "json".\n'
    )


def test_describe_says_whose_setting_it_is() -> None:
    first = config("describe", "spamassassin.settings.modify").stdout.splitlines()[0]
    assert first == 'filter.settings.modify   (use = spamassassin; default: "headers")'
    both = config("describe", "filter.settings.reject_text").stdout
    assert [use for use in ("clamav", "spamassassin") if f"(use = {use}; " in both] == [
        "clamav",
        "spamassassin",
    ]
    assert 'filter.settings.file = ""  # clamav\n' in config("describe").stdout


def test_describe_helps_with_the_spelling() -> None:
    done = config("describe", "on_eror")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "postmill: error: there is no key on_eror (did you mean on_error?)\n"
