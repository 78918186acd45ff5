"""Changing main.cf: examples, and for any text that postconf agrees about everything else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.host.main_cf import repeated, set_parameters, written
from postmill.host.postfix import postfix_program

TEXT = """\
# the head
smtpd_milters = unix:/a,
# between
    unix:/b

\tinet:c:1
  # indented comment
 unix:/d
biff = no
myhostname=mx.example.org
biff = yes # not a comment
"""


def test_written() -> None:
    assert written(TEXT) == {
        "smtpd_milters": "unix:/a,    unix:/b\tinet:c:1 unix:/d",
        "biff": "yes # not a comment",
        "myhostname": "mx.example.org",
    }
    assert repeated(TEXT) == {"biff": (9, 11)}


def test_a_value_over_several_lines_becomes_one_and_its_comments_stay() -> None:
    text = set_parameters(TEXT, {"smtpd_milters": "unix:p", "milter_protocol": "6"})
    assert (
        text
        == """\
# the head
smtpd_milters = unix:p
# between

  # indented comment
milter_protocol = 6
biff = no
myhostname=mx.example.org
biff = yes # not a comment
"""
    )


def test_what_is_new_stands_at_the_end() -> None:
    assert set_parameters("a = 1", {"b": "2", "c": ""}, "why") == "a = 1\n\n# why\nb = 2\nc = \n"
    assert set_parameters("", {"b": "2"}, "why") == "# why\nb = 2\n"


def test_what_is_new_does_not_cut_a_value_that_stays() -> None:
    text = "a = 1\n  2\n# x\n  3"
    assert set_parameters(text, {"a": "1  2  3", "b": "2"}) == "a = 1\n  2\n# x\n  3\nb = 2\n"


def test_the_last_of_several_is_changed() -> None:
    assert set_parameters("a = 1\na = 2\n", {"a": "3"}) == "a = 1\na = 3\n"


def test_nothing_to_do() -> None:
    assert set_parameters(TEXT, {"myhostname": "mx.example.org"}) == TEXT


def test_only_a_newline_ends_a_line() -> None:
    text = "a = 1\x0b\x0c\x85\u2028 b\r\nc = 2\r\n"
    assert set_parameters(text, {"c": "3"}) == text.replace("2\r", "3\r")


def test_a_line_that_postfix_ignores_sets_nothing() -> None:
    assert written("  a = 1\nb = 2\n") == {"b": "2"}


NAMES = ("smtpd_milters", "biff", "myhostname", "mynetworks", "milter_protocol", "relayhost")
_words = st.text("ab:/.,{} \t#=", max_size=12)
_assignment = st.builds(lambda name, equals, value: f"{name}{equals}{value}", st.sampled_from(NAMES), st.sampled_from(["=", " = ", "= "]), _words)  # fmt: skip
_line = st.one_of(
    _assignment,
    _words.map(lambda text: " " + text),
    _words.map(lambda text: "#" + text),
    _words.map(lambda text: "\t# " + text),
    st.just(""),
)
_text = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(_line, max_size=12), st.sampled_from(["", "\n"]))  # fmt: skip


@given(_text, st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "6", "unix:p"])))
def test_any_text(text: str, values: dict[str, str]) -> None:
    after = set_parameters(text, values, "comment")
    assert written(after) == {**written(text), **values}
    assert set_parameters(after, values, "comment") == after
    assert [line for line in text.split("\n") if line.strip().startswith("#")] == [
        line for line in after.split("\n") if line.strip().startswith("#") and line != "# comment"
    ]


@pytest.mark.interop
@pytest.mark.skipif(postfix_program("postconf") is None, reason="needs postconf")
def test_postconf_reads_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("etc")
    (directory / "master.cf").write_text("")

    @settings(max_examples=60)
    @given(_text, st.dictionaries(st.sampled_from(NAMES[:2]), st.sampled_from(["", "6", "unix:p"])))
    def agree(text: str, values: dict[str, str]) -> None:
        before, after = (
            read_by_postconf(directory, text),
            read_by_postconf(directory, set_parameters(text, values)),
        )
        assert after == {**before, **values}
        assert before == {name: " ".join(value.split()) for name, value in written(text).items()}

    agree()


def read_by_postconf(directory: Path, text: str) -> dict[str, str]:
    (directory / "main.cf").write_text(text)
    os.utime(directory / "main.cf", (0, 0))  # Postfix waits for seconds until a file is no longer new
    done = subprocess.run(
        [postfix_program("postconf") or "", "-c", str(directory), "-n"],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.partition(" =")[::2] for line in done.stdout.splitlines())
    return {name: " ".join(value.split()) for name, value in pairs if name != "config_directory"}
