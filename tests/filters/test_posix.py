"""Regular expressions match what glibc's match, and no text keeps them busy."""

from __future__ import annotations

import ctypes
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmill.filters._posix import Regex

_EXTENDED, _ICASE, _NOSUB = 1, 2, 8
GLIBC = ctypes.CDLL(None)
PIECES = st.sampled_from(
    [*"aabbcc.*+?|()^$ []{}1,", "[ab]", "[^a]", "[[:alpha:]]", "{1,2}", "{2}", r"\.", "(a|b)", "a*"]
)
BASIC = st.sampled_from(
    [*"aabbcc.*^$ +?|", "[ab]", "[^b]", "[[:digit:]]", r"\{1,2\}", r"\(a\)", r"\(ab*\)", r"\|", r"\+"]
)


def glibc(pattern: str, extended: bool, subject: str) -> bool | None:
    """What regexec(3) says; None where regcomp(3) refuses the expression."""
    compiled = (ctypes.c_uint64 * 64)()
    flags = _ICASE | _NOSUB | (_EXTENDED if extended else 0)
    if GLIBC.regcomp(compiled, pattern.encode(), flags):
        return None
    try:
        return bool(GLIBC.regexec(compiled, subject.encode(), 0, None, 0) == 0)
    finally:
        GLIBC.regfree(compiled)


SUBJECTS = st.text("abcABC1 .", max_size=12)


def compare(pattern: str, extended: bool, subject: str) -> None:
    theirs = glibc(pattern, extended, subject)
    try:
        ours = Regex(pattern, extended)
    except ValueError:
        return
    if theirs is not None:
        assert ours.matches(subject) is theirs


@given(st.lists(PIECES, max_size=8).map("".join), SUBJECTS)
@example("(a*)*b$", "aab")
@example("^(a|bc)+c{2,}$", "abcacc")
@example("a*+b", "aab")
def test_extended_ones_match_as_in_glibc(pattern: str, subject: str) -> None:
    compare(pattern, True, subject)


@given(st.lists(BASIC, max_size=8).map("".join), SUBJECTS)
@example(r"^\(ab\)*c$", "ababc")
def test_basic_ones_match_as_in_glibc(pattern: str, subject: str) -> None:
    compare(pattern, False, subject)


@pytest.mark.parametrize(
    ("pattern", "subject", "more"),
    [
        ("(a*)*b", "a" * 50_000, "b"),
        ("^(a|aa)+$", "a" * 50_000 + "c", ""),
        (".*a.*a.*a.*b", "a" * 50_000, "b"),
        ("^Subject:.*via.*gra.*x", "Subject: " + "via gra" * 20_000, "x"),
        ("(.|[ab]){30}c", "ab" * 10_000, "c"),
    ],
)
@pytest.mark.timeout(60)
def test_no_text_keeps_it_busy(pattern: str, subject: str, more: str) -> None:
    regex = Regex(pattern, extended=True)
    assert not regex.matches(subject)
    assert regex.matches(subject + more) is bool(more)


def test_what_it_remembers_is_bounded() -> None:
    regex = Regex("(a|b)*a(a|b){11}c", extended=True)
    chance = random.Random(1)
    text = "".join(
        chance.choice(["a", "b", "a", chr(chance.randrange(0x4E00, 0x9000))]) for _ in range(300_000)
    )
    assert not regex.matches(text)
    assert regex.matches(text + "a" * 12 + "c")
    automaton = regex._automaton
    assert automaton is not None
    assert 0 < sum(len(one) for one in automaton._sets.values()) <= 50_000


def test_one_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="too large"):
        Regex("((a{1,200}){1,200}){1,200}", extended=True)


def test_groups() -> None:
    regex = Regex("([a-z]*)@([a-z]*)", extended=True)
    assert regex.groups("<joe@example.net>") == ("joe", "example")
    assert Regex("(a)|(b)", extended=True).groups("b") == ("", "b")
    assert Regex("a*", extended=True).groups("b") == ()


def test_backward_references_see_the_begin_only() -> None:
    regex = Regex(r"\([ab]*\)c\1d", extended=False)
    assert regex.matches("abcabd")
    assert not regex.matches("x" * 2000 + "abcabd")
