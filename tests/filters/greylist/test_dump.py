"""The dump file of milter-greylist, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.filters.greylist.dump import Dump, read_dump, write_dump
from postmill.filters.greylist.tuples import Entry

REAL = (
    "#  Sender IP\tSender e-mail\tRecipient e-mail\tTime accepted\tUnsuccessful shortest tarpit\n"
    "192.0.2.5\t<ham@ext.example>\t<alice@test.example>\t1795332923 # 2026-11-22 07:35:23\n"
    "2001:db8::1\t<>\t<alice@test.example>\t1795937174 AUTO # 2026-11-29 07:26:14\n"
)


def test_theirs() -> None:
    entries = read_dump(REAL).entries
    assert entries == [
        Entry("192.0.2.5", "<ham@ext.example>", "<alice@test.example>", 1795332923),
        Entry("2001:db8::1", "<>", "<alice@test.example>", 1795937174, auto=True),
    ]
    assert write_dump(entries).splitlines()[1:] == REAL.splitlines()[1:]


def test_without_brackets_too() -> None:
    written = (
        f"192.0.2.5 a@x.example b@y.example 5\n{REAL.splitlines()[2]}\n192.0.2.6\t<>\tb@y.example\t7 auto"
    )
    assert read_dump(written) == Dump(
        [
            Entry("192.0.2.5", "<a@x.example>", "<b@y.example>", 5),
            Entry("2001:db8::1", "<>", "<alice@test.example>", 1795937174, auto=True),
            Entry("192.0.2.6", "<>", "<b@y.example>", 7, auto=True),
        ],
        [],
    )


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.5 <a> <b>",
        "nowhere\t<a>\t<b>\t5",
        "192.0.2.5\t<a>\t<b>\t999999999999999",
        "192.0.2.5 <a> <b> <c> 5",
    ],
)
def test_a_broken_line_is_named_and_leaves_the_others(line: str) -> None:
    read = read_dump(f"192.0.2.5\t<a>\t<b>\t5\n{line}\n192.0.2.5\t<a>\t<b>\t6\n")
    assert [one.until for one in read.entries] == [5, 6]
    (named,) = read.left_out
    assert named.startswith("line 2: ")


def test_what_left_the_tarpit_means_nothing_here() -> None:
    line = "192.0.2.5\t<a@x.example>\t<b@y.example>\t1795332923\t-1 TARPIT # 2026-11-22 07:35:23\r\n"
    assert read_dump(line + line.replace("-1", "20")) == Dump([], [])


def test_control_characters_do_not_stand_in_the_way() -> None:
    text = write_dump([Entry("192.0.2.5", "<a\tb\n@x.example>", "<b@y.example>", 5)])
    assert read_dump(text).entries == [Entry("192.0.2.5", "<a_b_@x.example>", "<b@y.example>", 5)]


PATHS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), max_size=9).map(lambda text: f"<{text}>")


@given(
    st.lists(st.builds(Entry, st.ip_addresses().map(str), PATHS, PATHS, st.integers(0, 2**31), st.booleans()))
)
def test_what_is_written_is_read_again(entries: list[Entry]) -> None:
    assert read_dump(write_dump(entries)) == Dump(entries, [])


@given(st.text())
def test_every_line_is_an_entry_or_named(text: str) -> None:
    read = read_dump(text)
    assert len(read.entries) + len(read.left_out) <= text.count("\n") + 1
    assert all(one.startswith("line ") for one in read.left_out)
