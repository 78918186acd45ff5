"""The predecessor's language: literals, statements, and where a text that is not whole stops being so."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.migration.faults import Unreadable
from postmill.migration.grammar import Assignment, Block, Call, Foreign, read, read_value
from postmill.migration.tokens import UNKNOWN, Pattern


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("0", 0),
        ("1_000", 1000),
        ("0660", 0o660),
        ("0o660", 0o660),
        ("0x1F", 31),
        ("0b101", 5),
        ("-7", -7),
        ("297.0", 297.0),
        ("1e3", 1000.0),
        ("2.5e-1", 0.25),
        ("'it''s'", UNKNOWN),
        (r"'a\'b\\c\n'", r"a'b\c" + r"\n"),
        (r'"a\"b\\ \t\n\s\e\0\x41\101\u3042\u{1F600 41}\q"', 'a"b\\ \t\n \x1b\0AA\u3042\U0001f600Aq'),
        ('"two\\\nlines"', "twolines"),
        ('"\\xe3\\x81\\x82"', "あ"),
        ('"\\xe3"', UNKNOWN),
        ('"\\u{110000}"', UNKNOWN),
        ('"\\M-a"', UNKNOWN),
        ('"#{1}"', UNKNOWN),
        ('"#@x"', UNKNOWN),
        ('"\\#{1} # #x"', "#{1} # #x"),
        ("'#{1}'", "#{1}"),
        ('"}#{"{#{"}"}"}{"', UNKNOWN),
        ("%q(a (b) 'c')", "a (b) 'c'"),
        ('%Q[a "b"]', 'a "b"'),
        ("%(a)", "a"),
        ("%w[a b\n c]", ["a", "b", "c"]),
        ("%x(rm)", UNKNOWN),
        ("`rm`", UNKNOWN),
        (":accept", "accept"),
        (':"a b"', "a b"),
        (r"/a\/[\"#]b/i", Pattern(r"a\/[\"#]b", "i")),
        ("%r{a/b}", Pattern("a/b")),
        ("/#{x}/", UNKNOWN),
        ("[1, 'a', nil,]", [1, "a", None]),
        ("[\n# why\n1,\n2]", [1, 2]),
        ("[]", []),
        ("[[1]]", UNKNOWN),
        ("[1, x]", UNKNOWN),
        ("x", UNKNOWN),
        ("1 + 1", UNKNOWN),
        ("1r", UNKNOWN),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = read_value(text)
    assert (found, type(found)) == (value, type(value))


def statements(text: str) -> tuple[Any, ...]:
    return read(text)


def test_assignments() -> None:
    assert statements("a.b = 1 # why\na.c += [2]; a . d -= nil\n# /x.conf:7\na.e =\n  3") == (
        Assignment("a", "b", "=", 1, 1),
        Assignment("a", "c", "+=", [2], 2),
        Assignment("a", "d", "-=", None, 2),
        Assignment("a", "e", "=", 3, 4, "# /x.conf:7"),
    )


def test_calls() -> None:
    assert statements('load_default\nload("a")\nload "b"\na.b("c", /d/)\na.b "c",\n  e: 1, :f => %w[g]') == (
        Call("", "load_default", (), {}, 1),
        Call("", "load", ("a",), {}, 2),
        Call("", "load", ("b",), {}, 3),
        Call("a", "b", ("c", Pattern("d")), {}, 4),
        Call("a", "b", ("c",), {"e": 1, "f": ["g"]}, 5),
    )


@pytest.mark.parametrize(
    "text", ['x "a" do |m|\n m.y = 1\nend', 'x("a") { |m| m.y = 1 }', "x 'a' do |m| m.y = 1; end"]
)
def test_blocks(text: str) -> None:
    (block,) = statements(text)
    assert (block.name, block.argument, block.variable) == ("x", "a", "m")
    assert [(one.owner, one.name, one.value) for one in block.statements] == [("m", "y", 1)]


@pytest.mark.parametrize(
    "code",
    [
        "a = 1",
        "a.b = c",
        "a.b = 1 if c",
        "a.b(1) unless c",
        "a.b.c = 1",
        "a[1] = 2",
        "a(b)",
        "a x: 1, 2",
        "@a = 1",
        "a&.b = 1",
        "a.b = 1, 2",
        "if a\n  b.c = 1\nend",
        "unless a then b end",
        "while a do b end",
        "until a\n  b\nend",
        "for a in b do c end",
        "case a\nwhen 1 then b\nelse c\nend",
        "begin\n  a\nrescue B => c\n  d\nensure\n  e\nend while f",
        "def a(b) = c",
        "def a.b=(c)\n  d\nend",
        "def -@\n  a\nend",
        "class A < B\n  class << self; self; end\nend",
        "module A\nend",
        "a.each do |b, c|\n  d if e\nend",
        "a { |b| c { d } }",
        "a { b }",
        "a 1 do |b|\n  c\nend",
        'a "b", "c" do |d|\n  e\nend',
        "-> (a) { b }",
        "lambda do |a| b end",
        "a ? b : c",
        "a.if.end.class",
        "a(if: b, end: 2)",
        "a = if b then c else d end",
        'a = <<-X + "#{<<Y}"\n do\n  X\n end\nY\n',
        "a <<~'X'\n do \"\n  X\n",
        "a / b / c",
        "a %w",
        "a % b",
        "a ?b",
        "a ? 1 : 2",
        "$a = $' + $\"",
        "a\n  .b\n  # why\n  .c do\n  d\nend",
        "a and\n b",
        "alias end a",
        ":end if :do",
        "a::B.new(:[], :a?, :+, :-@)",
        "undef a",
    ],
)
def test_code_is_one_statement_that_ends_where_it_should(code: str) -> None:
    """Between two declarations, it hides neither."""
    found = statements(f"x.first = 1\n{code}\nx.last = 2\n")
    assert isinstance(found[0], Assignment)
    assert found[-1].value == 2
    assert len(found) == 3
    assert isinstance(found[1], Foreign)
    assert found[1].line == 2
    assert found[1].last_line <= 2 + code.count("\n")


def test_code_in_a_block_is_code_of_the_block() -> None:
    (block,) = statements('x("a") do |m|\n  m.b = 1 if c\n  m.d = e\n  m.f = 2\nend')
    assert isinstance(block, Block)
    assert [type(one) for one in block.statements] == [Foreign, Foreign, Assignment]


def test_comments_and_what_is_no_program() -> None:
    text = "# a.b = 1\n=begin\na.b = 2\n=end\na.b = 3 # do\n__END__\na.b = (\n"
    assert [one.value for one in statements(text)] == [3]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a.b = 'x\n\n", 1, 7, '"\'x" has no end'),
        ('\n a.b = "#{x', 2, 9, "`#{` has no `}`"),
        ("x = /a", 1, 5, "'/a' has no end"),
        ("x = %w[a b", 1, 5, "'%w[a b' has no end"),
        ("x = <<EOS\nEO\n", 1, 5, "the here-document EOS has no end"),
        ("=begin\n", 1, 1, "`=begin` has no `=end`"),
        ("a do |x|\n b\n", 1, 3, "`do` has no `end`"),
        ("a(\n[1, 2\n", 2, 1, "`[` has no `]`"),
        ("a\nend", 2, 1, "`end` ends nothing"),
        ("a)", 1, 2, "`)` ends nothing"),
        ("a(\n b\nend", 3, 1, "`end` where the `(` of line 1 is still open"),
        ("if x\n y }", 2, 4, "`}` where the `if` of line 1 is still open"),
        ("a.b =", 1, 5, "nothing is assigned"),
        ("a.b = ;\n", 1, 5, "nothing is assigned"),
        ("x = 08", 1, 5, "this number cannot be read"),
        ("x = 5s", 1, 5, "this number cannot be read"),
        ("a\n \0", 2, 2, "'\\x00' has no meaning here"),
        ("a \\ b", 1, 3, "'\\\\' has no meaning here"),
    ],
)
def test_a_text_that_is_not_whole(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert (caught.value.line, caught.value.column, caught.value.message) == (line, column, message)
