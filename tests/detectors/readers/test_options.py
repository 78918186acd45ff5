"""Command lines as getopt(3) and getopt_long(3) read them."""

from __future__ import annotations

import pytest

from postmill.api import Source
from postmill.detectors.readers.options import read_options
from postmill.detectors.readers.values import UNKNOWN, Value


@pytest.mark.parametrize(
    ("line", "values", "operands"),
    [
        ("-p /a -f", {"p": "/a"}, []),
        ("-p/a -fp/b", {"p": "/b"}, []),
        ("-fp /a x", {"p": "/a"}, ["x"]),
        ("x -p /a y", {"p": "/a"}, ["x", "y"]),
        ("-p -f", {"p": "-f"}, []),
        ("-p", {}, []),
        ("-- -p /a", {}, ["-p", "/a"]),
        ("--config=/a", {"c": "/a"}, []),
        ("--config /a --verbose b", {"c": "/a"}, ["b"]),
        ("--config", {}, []),
        ("-", {}, ["-"]),
        ("-:p x", {"p": "x"}, []),
    ],
)
def test_a_command_line(line: str, values: dict[str, str], operands: list[str]) -> None:
    words = [Value(word, Source()) for word in line.split()]
    options = read_options(words, "fp:c:", {"config": "c"})
    assert {name: value.text for name, value in options.values.items()} == values
    assert [operand.text for operand in options.operands] == operands


def test_what_is_not_known_is_no_operand_and_no_value() -> None:
    words = [Value(word, Source()) for word in (UNKNOWN, "-p", UNKNOWN, "", "x")]
    options = read_options(words, "p:")
    assert options.get("p") is None
    assert [operand.text for operand in options.operands] == ["x"]
