"""Whatever stands in the file, an import gives TOML that our own reader takes, or our error with line and column."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postmill.conditions import shelf
from postmill.config import parse
from postmill.errors import ConfigError
from postmill.migration.importing import Imported, import_texts
from postmill.migration.printing import as_milter_manager
from tests.migration.strategies import CONFIGURATIONS, RESTRICTIONS, milters

SHELF = shelf()
DATA = Path(__file__).parent / "data"

SCRAPS = st.sampled_from(
    [
        "end",
        "}",
        "do",
        "(",
        '"',
        "'",
        "=begin",
        "=end",
        "__END__",
        "if x",
        "x = <<-E",
        "# default",
        "%w[",
        "#{",
        "/x",
    ]
)


def check(text: str) -> bool:
    """Import a text; tells whether it was whole. What it gives can be read, printed, and imported again."""
    lines = text.count("\n") + 1
    imported = outcome(text)
    if isinstance(imported, ConfigError):
        assert (imported.file, 1 <= imported.line <= lines) == ("old.conf", True)
        assert re.search(r" at column [1-9][0-9]*$", imported.message)
        return False
    for remark in imported.remarks:
        assert (remark.place.file, 1 <= remark.place.line <= lines) == ("old.conf", True)
        assert str(remark).isprintable()
    printed = as_milter_manager(parse("new.toml", imported.toml, SHELF))
    again = import_texts({"printed": printed}, SHELF)
    assert again.toml == imported.toml
    assert again.is_complete, again.remarks
    return True


def outcome(text: str) -> Imported | ConfigError:
    try:
        return import_texts({"old.conf": text}, SHELF)
    except ConfigError as error:
        return error


@settings(max_examples=int(os.environ.get("N", "100")))
@given(CONFIGURATIONS)
@example(
    'define_milter("a") do |m|\n m.connection_spec = "unix:/a"\nend\nmanager.connection_spec = "unix:/a"'
)
@example('define_milter("a") do |m|\n m.connection_spec = "inet:0"\nend')
def test_configurations(text: str) -> None:
    check(text)


@given(st.lists(st.one_of(milters(), RESTRICTIONS, SCRAPS), max_size=6).map("\n".join))
def test_configurations_with_scraps(text: str) -> None:
    check(text)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@given(st.text(st.sampled_from("\"'`#{}()[]<>|/%?:;,.=\\\n\t ab1~-@$_&*!^"), max_size=40))
def test_any_punctuation(text: str) -> None:
    check(text)


@settings(max_examples=30)
@given(st.sampled_from(sorted(DATA.glob("*.conf"))), st.data())
def test_damaged_files(file: Path, data: st.DataObject) -> None:
    text = file.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 30)))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["", '"', "'", "\n", "end", "do", "#", "nil", "[", "}", "/"]))
            + text[end:]
        )
    check(text)


@pytest.mark.parametrize(
    "opener", ["(", "[", "{", 'x = "#{', "x = [", "begin\n", 'define_milter("a") do |m|\n', "if x\n"]
)
def test_deep_nesting_is_an_error(opener: str) -> None:
    assert not check(opener * 5000)
    assert not check(opener * 90)
