"""Regular expressions from Ruby to Python and back."""

from __future__ import annotations

import re

import pytest

from postmill.migration.regexps import accounts, domains, to_python, to_ruby
from postmill.migration.tokens import Pattern


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (r"\.example\.org\z", [".example.org"]),
        (r"\Aexample\.org\z", ["example.org"]),
        (r"^mx-1\.example\.org$", ["mx-1.example.org"]),
        (r"(?:\A|\.)example\.org\Z", ["example.org", ".example.org"]),
        (r"(\A|\.)example\.org\z", ["example.org", ".example.org"]),
        (r"example\.org\z", None),
        (r"\.example.org\z", None),
        (r"\.example\.org", None),
        (r"@example\.org\z", None),
        (r"\.ex.+\z", None),
    ],
)
def test_domains(source: str, found: list[str] | None) -> None:
    assert domains(Pattern(source)) == found
    assert domains(Pattern(source, "x")) is None


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (r"@example\.org\z", ["example.org"]),
        (r"\.example\.org\z", [".example.org"]),
        (r"\Ajoe\.doe@", ["joe.doe@"]),
        (r"\Ajoe@example\.org\z", ["joe@example.org"]),
        (r"\Ajoe", None),
        (r"joe@example\.org\z", None),
        (r"\Aexample\.org\z", None),
    ],
)
def test_accounts(source: str, found: list[str] | None) -> None:
    assert accounts(Pattern(source)) == found
    assert accounts(Pattern(source, "x")) is None


@pytest.mark.parametrize(
    ("source", "python", "matches", "others"),
    [
        (r"\Aa\z", r"\Aa\Z", ["a"], ["ab"]),
        (r"a\Z", r"a\Z", ["ba"], ["ab"]),
        (r"\A\h+\z", r"\A[0-9a-fA-F]+\Z", ["ff0"], ["fg"]),
        (r"\A[\h.]+\z", r"\A[0-9a-fA-F.]+\Z", ["f.0"], ["f-0"]),
        (r"\A[^[:digit:]-]\z", r"\A[^0-9-]\Z", ["a"], ["1", "-"]),
        (r"\A(?<n>a)b\z", r"\A(?P<n>a)b\Z", ["ab"], ["b"]),
        (r"a(?=b)(?!c)(?<=a)(?<!b)", r"a(?=b)(?!c)(?<=a)(?<!b)", ["ab"], ["ac"]),
        (r"\A(?:a|(?i:b))\z", r"\A(?:a|(?i:b))\Z", ["a", "B"], ["c"]),
        (r"a\/b", r"a/b", ["a/b"], ["ab"]),
        (r"[]a]\[", r"[]a]\[", ["][", "a["], ["b["]),
        (r"\A(a)\1\z", r"\A(a)\1\Z", ["aa"], ["a"]),
    ],
)
def test_to_python(source: str, python: str, matches: list[str], others: list[str]) -> None:
    found = to_python(Pattern(source))
    assert found == python
    assert all(re.search(found, text) for text in matches)
    assert not any(re.search(found, text) for text in others)
    assert to_python(Pattern(to_ruby(found))) == found


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (r"\p{L}", r"\p"),
        ("[[a]b]", "["),
        ("[a&&b]", "&&"),
        ("[[:word:]]", "[:word:]"),
        (r"\G", r"\G"),
        ("(?~a)", "(?"),
        ("(?m:a)", "(?"),
        (r"\0", r"\0"),
        (r"[\z]", r"\z"),
    ],
)
def test_what_python_reads_otherwise(source: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}$"):
        to_python(Pattern(source))


def test_flags() -> None:
    assert to_python(Pattern("a", "iou")) == "a"
    with pytest.raises(ValueError, match="the flags mx"):
        to_python(Pattern("a", "mx"))


@pytest.mark.parametrize(
    ("source", "ruby"),
    [("a/b", r"a\/b"), (r"a\/b", r"a\/b"), ("#{", r"\#{"), (r"a\Z", r"a\z"), ("(?P<n>a)", "(?<n>a)")],
)
def test_to_ruby(source: str, ruby: str) -> None:
    assert to_ruby(source) == ruby


@pytest.mark.parametrize(
    ("source", "what"),
    [("(?P=n)", "(?"), ("(?s:a)", "(?"), ("(?(1)a)", "(?"), ("(?P>a)", "(?"), ("(?<n>a)", "(?<n>")],
)
def test_what_ruby_reads_otherwise(source: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}$"):
        to_ruby(source)
