"""The line index: hand-made traps, and documents built at random whose lines are known."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.config.positions import Path, key_lines


def paths(value: Any, path: Path = ()) -> set[Path]:
    """Every path in a parsed document."""
    found = {path} if path else set()
    if isinstance(value, dict):
        pairs: list[tuple[str | int, Any]] = list(value.items())
    else:
        pairs = list(enumerate(value)) if isinstance(value, list) else []
    return found.union(*(paths(inner, (*path, name)) for name, inner in pairs))


TRAPS: dict[str, tuple[str, dict[Path, int]]] = {
    "hash in a string": ("a = \"x # y\"\nb = '#'\nc = 1 # d = 2", {("a",): 1, ("b",): 2, ("c",): 3}),
    "multi-line strings": (
        'a = """\nb = 1\n[c]\n\\""" \\\\"""\nd = \'\'\'\n"""\ne = 2\'\'\'\nf = 3',
        {("a",): 1, ("d",): 5, ("f",): 8},
    ),
    "strings that end in quotes": (
        "a = \"\"\"x\"\"\"\"\"\nb = '''y'''''\nc = 1",
        {("a",): 1, ("b",): 2, ("c",): 3},
    ),
    "empty strings": ('a = ""\nb = \'\'\nc = """"""\nd = 1', {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}),
    "escaped quotes": ('a = "\\"[b]\\\\"\nb = 1', {("a",): 1, ("b",): 2}),
    "quoted and dotted keys": (
        '"a b" . \'c.d\' . e = 1\n["f\\u0041"]\n g = 2',
        {("a b",): 1, ("a b", "c.d"): 1, ("a b", "c.d", "e"): 1, ("fA",): 2, ("fA", "g"): 3},
    ),
    "inline tables": (
        "t = { a = 1, b.c = [ { d = '}' } ] }\nu = {}",
        {
            ("t",): 1,
            ("t", "a"): 1,
            ("t", "b"): 1,
            ("t", "b", "c"): 1,
            ("t", "b", "c", 0): 1,
            ("t", "b", "c", 0, "d"): 1,
            ("u",): 2,
        },
    ),
    "lists over lines": (
        "a = [ # one\n  1,\n\n  # two ]\n  [2,\n   3], ]\nb = []",
        {("a",): 1, ("a", 0): 2, ("a", 1): 5, ("a", 1, 0): 5, ("a", 1, 1): 6, ("b",): 7},
    ),
    "arrays of tables": (
        "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\nb = 2\n[[a.e]]\n[[a.e]]\nf = 1",
        {
            ("a",): 1,
            ("a", 0): 1,
            ("a", 0, "b"): 2,
            ("a", 0, "c"): 3,
            ("a", 0, "c", "d"): 4,
            ("a", 1): 5,
            ("a", 1, "b"): 6,
            ("a", 1, "e"): 7,
            ("a", 1, "e", 0): 7,
            ("a", 1, "e", 1): 8,
            ("a", 1, "e", 1, "f"): 9,
        },
    ),
    "a header after its children": (
        "[a.b]\nc = 1\n[ a ]\nd = 2",
        {("a",): 3, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4},
    ),
    "dates and numbers": (
        "a = 1979-05-27 07:32:00\nb = [ 1e3, -inf, 0x1F, 07:32:00 ]\nc = true",
        {("a",): 1, ("b",): 2, ("b", 0): 2, ("b", 1): 2, ("b", 2): 2, ("b", 3): 2, ("c",): 3},
    ),
    "nothing": ("\n# only this\n", {}),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps(trap: str) -> None:
    text, expected = TRAPS[trap]
    assert paths(tomllib.loads(text)) == set(expected), "the expectation itself must fit the document"
    assert key_lines(text) == expected


BARE = st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True)
ANY_TEXT = st.text(st.sampled_from("ab#[]{}=.,'\"\\ \t"), max_size=6)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


SPELT_KEY = st.one_of(BARE, ANY_TEXT.map(basic))
SCALAR = st.one_of(
    st.integers().map(str),
    st.booleans().map(lambda flag: str(flag).lower()),
    ANY_TEXT.map(basic),
    ANY_TEXT.map(lambda text: '"""\n' + basic(text)[1:-1] + '\n"""'),
    ANY_TEXT.filter(lambda text: "'" not in text).map(lambda text: f"'''\n{text}'''"),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[ # [\n" + ",\n".join(items) + "\n]"),
    max_leaves=6,
)
LINE = st.one_of(
    st.tuples(SPELT_KEY, VALUE).map(lambda pair: f"{pair[0]} = {pair[1]} # x = 1"),
    st.tuples(SPELT_KEY, SPELT_KEY, SCALAR).map(lambda three: "{} . {} = {}".format(*three)),
    SPELT_KEY.map(lambda name: f"[{name}]"),
    SPELT_KEY.map(lambda name: f"[[{name}]]"),
    st.tuples(SPELT_KEY, SPELT_KEY).map(lambda pair: "[ {}.{} ]".format(*pair)),
    st.sampled_from(["", "# [a]", "\t"]),
)


@given(st.lists(LINE, max_size=8))
def test_any_document_has_a_line_for_each_key_and_no_others(lines: list[str]) -> None:
    kept: list[str] = []
    for line in lines:  # leave out what clashes with what is there already
        try:
            tomllib.loads("\n".join([*kept, line]))
        except tomllib.TOMLDecodeError:
            continue
        kept.append(line)
    text = "\n".join(kept)
    found = key_lines(text)
    assert set(found) == paths(tomllib.loads(text))
    starts = [1]
    for line in kept:
        starts.append(starts[-1] + line.count("\n") + 1)
    for path, at in found.items():
        if not any(isinstance(part, int) for part in path):
            assert at in starts, f"{path} stands at the start of a statement"


@given(st.lists(st.tuples(BARE, VALUE), unique_by=lambda pair: pair[0], max_size=8))
def test_lines_are_those_of_the_statements(pairs: list[tuple[str, str]]) -> None:
    text, expected = "", {}
    for name, value in pairs:
        expected[name] = text.count("\n") + 1
        text += f"{name} = {value}\n"
    lines = key_lines(text)
    assert {name: lines[(name,)] for name in expected} == expected
