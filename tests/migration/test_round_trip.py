"""From the predecessor's configuration to ours, to what ``--show-config`` would print, and again to ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postmill.conditions import shelf
from postmill.config import parse
from postmill.migration.importing import import_texts
from postmill.migration.interpreting import MILTER_SETTINGS
from postmill.migration.printing import as_milter_manager

SHELF = shelf()
DATA = sorted((Path(__file__).parent / "data").glob("*.conf"))


def read(file: Path) -> str:
    return import_texts({str(file): file.read_text()}, SHELF).toml


def shown(toml: str) -> str:
    return as_milter_manager(parse("new.toml", toml, SHELF))


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.stem)
def test_import_show_import(file: Path) -> None:
    toml = read(file)
    again = import_texts({"shown": shown(toml)}, SHELF)
    assert again.toml == toml
    assert again.remarks == ()


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.stem)
def test_what_an_import_gives(file: Path) -> None:
    assert read(file) == file.with_suffix(".toml").read_text()
    assert all(remark.severity == "note" for remark in import_texts({"x": file.read_text()}, SHELF).remarks)


@pytest.mark.parametrize("file", sorted((DATA[0].parent / "local").iterdir()), ids=lambda file: file.stem)
def test_what_was_printed_and_the_file_that_made_it_so_are_one_configuration(file: Path) -> None:
    """The local file adds what is not printed; what is in both says the same twice."""
    printed = file.parents[1] / file.name
    both = import_texts({"printed": printed.read_text(), "local": file.read_text()}, SHELF)
    assert both.toml == printed.with_suffix(".toml").read_text()
    more = import_texts(
        {"1": printed.read_text(), "2": file.read_text() + 's25r.add_whitelist("mx.a.example")'}, SHELF
    )
    assert '"mx.a.example"]' in more.toml


def settings(text: str) -> dict[str, str]:
    """Settings by their whole name, with the values as they are written."""
    found, milter = {}, ""
    for line in text.splitlines():
        if head := re.match(r'define_milter\("(.+)"\)', line):
            milter = head[1]
        if setting := re.match(r"\s*([a-z_.]+) = (.+)", line):
            name = setting[1]
            found[f"{milter}: {name}" if name.startswith("milter.") else name] = setting[2]
    return found


@pytest.mark.parametrize("name", ["debian", "rhel", "freebsd"])
def test_show_prints_what_the_predecessor_printed(name: str) -> None:
    """In its order and spelling; what is not the same is what Postmill's own defaults say, and what it does not do."""
    file = next(file for file in DATA if file.stem == name)
    theirs, ours = settings(file.read_text()), settings(shown(read(file)))
    assert [key for key in ours if key not in theirs] == RENAMED[name]
    common = [key for key in theirs if key in ours]
    assert common == [key for key in ours if key in theirs]
    different = {key.rpartition(": ")[2] for key in common if theirs[key] != ours[key]}
    assert different <= OWN_DEFAULTS, different


RENAMED = {
    "debian": [],
    "rhel": [],
    "freebsd": [f"milter-opendkim-example-org: milter.{name}" for name in MILTER_SETTINGS],
}
OWN_DEFAULTS = {
    "security.privilege_mode",
    "manager.max_connections",
    "milter.command",
    "milter.command_options",
    "milter.connection_timeout",
    "milter.reading_timeout",
    "milter.writing_timeout",
    "milter.end_of_message_timeout",
    "condition.description",
    "log.level",  # in words that mean the same
    "milter.connection_spec",  # local: is unix:
    "milter.evaluation_mode",  # of one that is off
}
