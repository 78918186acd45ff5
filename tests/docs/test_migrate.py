"""The page for those who come from milter-manager speaks of everything that the translation knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postmill.cli.import_ import INCOMPLETE
from postmill.migration import conditions
from postmill.migration.equivalents import SETTINGS, Setting
from postmill.migration.interpreting import MILTER_SETTINGS

PAGE = (Path(__file__).parents[2] / "docs" / "migrate.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.theirs)
def test_each_setting_has_its_row(setting: Setting) -> None:
    name = "controller.connection_spec" if setting.group == "controller" else setting.theirs
    rows = [row for row in ROWS if f"`{name}`" in row]
    assert len(rows) == 1
    assert not setting.ours or f"`{setting.ours}`" in rows[0]
    if setting.ours or setting.is_lost:
        assert ("Not carried over" in rows[0]) == setting.is_lost


@pytest.mark.parametrize("name", MILTER_SETTINGS)
def test_each_setting_of_a_milter_has_its_row(name: str) -> None:
    assert any(row.startswith("| ") and f"`{name}`" in row.partition(" | ")[0] for row in ROWS)


@pytest.mark.parametrize("theirs", conditions.NAMES)
def test_each_condition_has_its_row(theirs: str) -> None:
    rows = [row for row in ROWS if re.search(rf"(^\| |, ){theirs}(,| \|)", row)]
    assert len(rows) == 1
    assert f"`{conditions.NAMES[theirs]}`" in rows[0]


@pytest.mark.parametrize("name", [".".join(name) for name in (*conditions.CALLS, *conditions.ASSIGNMENTS)])
def test_each_addition_is_spoken_of(name: str) -> None:
    synonyms = {"s25r.check_only_ipv4": "s25r.only_check_ipv4", "dnsbl.name_server": "dnsbl.name_servers"}
    assert f"`{synonyms.get(name, name)}`" in PAGE


def test_exit_statuses() -> None:
    assert f"The exit status is 0 without warnings and {INCOMPLETE} with" in PAGE
