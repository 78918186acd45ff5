"""Any script that is put together from what start scripts are made of does what the machine's own sh does with it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.detectors.readers.test_shell import followed, real

WORDS = st.lists(
    st.sampled_from(
        [
            *("x", "y/z", "-p", "' a  b '", '" $A "', "$A", "${B}", "${C:-d e}", "${C-'f'}", "${A%/*}"),
            *(
                "${B##*/}",
                "a'b c'",
                "$(echo $A)",
                '"$(echo "$B")"',
                "`echo $C q`",
                "${A:+$B}",
                '"$B$C"',
                "''",
            ),
        ]
    ),
    min_size=1,
    max_size=4,
).map("".join)
TESTS = st.sampled_from(
    ['[ -n "$A" ]', '[ -z "$B" ]', '[ "$A" = x ]', '[ "$B" != "$C" ]', "true", "false", '! [ "$C" ]']
)
SIMPLE = st.one_of(
    st.tuples(st.sampled_from("ABC"), WORDS).map("=".join),
    st.lists(WORDS, min_size=1, max_size=3).map(lambda words: "prog " + " ".join(words)),
    st.tuples(st.sampled_from("ABC"), WORDS).map(lambda pair: f': "${{{pair[0]}:={pair[1]}}}"'),
)
STATEMENTS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.tuples(TESTS, inner, inner).map(lambda t: f"if {t[0]}; then\n{t[1]}\nelse\n{t[2]}\nfi"),
        st.tuples(TESTS, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"{t[0]} {t[1]} {{ {t[2]}\n}}"),
        st.tuples(WORDS, inner).map(lambda t: f'case {t[0]} in x*) {t[1]} ;; *" "*) A=blank ;; esac'),
        st.tuples(st.sampled_from("ABC"), WORDS, inner).map(
            lambda t: f"for {t[0]} in {t[1]}; do\n{t[2]}\ndone"
        ),
        st.lists(inner, min_size=2, max_size=3).map("\n".join),
    ),
    max_leaves=6,
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5))
@settings(max_examples=150)
def test_any_script_does_what_sh_does(
    tmp_path_factory: pytest.TempPathFactory, statements: list[str]
) -> None:
    script = "\n".join(statements)
    try:
        expected = real(script, tmp_path_factory.mktemp("sh"))
    except subprocess.TimeoutExpired:
        reject()  # loops in loops that double their own words
    assert followed(script) == expected
