"""Headers under edits (protocol §3.4, §9.5); whole recorded messages are in tests/golden."""

from __future__ import annotations

import pytest

from postmill.mail.headers import HEADER_LIMIT, HeaderList, normalise, shown


def sample() -> HeaderList:
    return HeaderList([(b"Received", b" r1"), (b"X-A", b" one"), (b"X-A", b" two"), (b"Subject", b" s")])


def texts(headers: HeaderList) -> list[bytes]:
    return [name + b":" + text for name, text in headers.visible()]


@pytest.mark.parametrize(
    ("value", "leadspc", "stored"),
    [  # the first eight as recorded from Postfix 3.7
        (b"a\nb", False, b" a\n\tb"),
        (b"  two", False, b"   two"),
        (b"a\rb", False, b" a\rb"),
        (b"v \n", False, b" v \n\t"),
        (b"", False, b" "),
        (b"a\n\nb", False, b" a\n\t\n\tb"),
        (b"nospace", True, b"nospace"),
        (b" a\n b\n\td", True, b" a\n b\n\td"),
        (b" a\r\n b", True, b" a\n b"),
        (b"a\r\r\nb", False, b" a\n\tb"),
        (b"", True, b""),
        (b"\n", True, b"\n\t"),
        (b"a\nX-Injected: yes", False, b" a\n\tX-Injected: yes"),
        (b"caf\xc3\xa9 \xff", False, b" caf\xc3\xa9 \xff"),
    ],
)
def test_normalised_values(value: bytes, leadspc: bool, stored: bytes) -> None:
    assert normalise(value, leadspc) == stored
    assert normalise(stored, True) == stored


@pytest.mark.parametrize(
    ("text", "without", "with_blank"),
    [
        (b" a", b"a", b" a"),
        (b"  a", b" a", b"  a"),
        (b"a", b"a", b"a"),
        (b"\ta", b"\ta", b"\ta"),
        (b"", b"", b""),
    ],
)
def test_what_a_filter_sees(text: bytes, without: bytes, with_blank: bytes) -> None:
    assert shown(text, leadspc=False) == without
    assert shown(text, leadspc=True) == with_blank


@pytest.mark.parametrize(
    ("index", "place"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 4), (0xFFFFFFFF, 4)],
)
def test_insert_counts_the_hidden_header(index: int, place: int) -> None:
    headers = sample()
    headers.insert(index, b"X-New", b" v")
    assert texts(headers).index(b"X-New: v") == place
    assert headers.fields[0].hidden == (index != 0)


def test_inserts_at_one_index_come_out_reversed() -> None:
    headers = HeaderList()
    headers.insert(1, b"A", b"")
    headers.insert(1, b"B", b"")
    assert texts(headers) == [b"B:", b"A:"]


def test_an_index_does_not_count_deleted_headers() -> None:
    headers = sample()
    headers.change(1, b"X-A", b"")
    headers.insert(3, b"X-New", b" v")
    assert texts(headers) == [b"Received: r1", b"X-A: two", b"X-New: v", b"Subject: s"]


def test_change_does_not_count_the_hidden_header_but_one_that_a_filter_inserted() -> None:
    headers = sample()
    headers.insert(0, b"Received", b" by a filter")
    headers.change(1, b"received", b" changed")
    headers.change(2, b"Received", b" r1 changed")
    assert texts(headers)[:2] == [b"received: changed", b"Received: r1 changed"]


@pytest.mark.parametrize(
    ("inserted", "left"),
    [  # what stands in front of the MTA's own; what is left of "own, r1, …" after Received 1 was deleted
        ([(b"Received", b" ")], [b"Received: ", b"Received: r1"]),
        ([(b"Received", b"")], [b"Received:", b"Received: r1"]),
        ([(b"Received", b" \n\tby a filter")], [b"Received: \n\tby a filter", b"Received: r1"]),
        ([(b"Received", b" "), (b"Received", b" by x")], [b"Received: ", b"Received: r1"]),
        ([(b"Received", b" by x"), (b"Received", b" ")], [b"Received: ", b"Received: r1"]),
        ([(b"received", b" ")], [b"Received: r1", b"X-A: one"]),
        ([(b"Received", b" by x")], [b"Received: r1", b"X-A: one"]),
    ],
)
def test_change_takes_an_empty_received_for_the_hidden_one(
    inserted: list[tuple[bytes, bytes]], left: list[bytes]
) -> None:
    headers = sample()
    for name, text in inserted:
        headers.insert(0, name, text)
    headers.change(1, b"Received", b"")
    assert texts(headers)[: len(left)] == left


def test_the_hidden_one_is_seen_once_it_was_changed() -> None:
    headers = sample()
    headers.insert(0, b"Received", b" ")
    headers.change(1, b"Received", b" changed")
    assert texts(headers)[:3] == [b"Received: ", b"Received: changed", b"Received: r1"]
    headers.change(1, b"Received", b" again")
    assert texts(headers)[1] == b"Received: again"


@pytest.mark.parametrize("index", [0, 1])
def test_index_zero_means_the_first(index: int) -> None:
    headers = sample()
    headers.change(index, b"x-a", b" new")
    assert texts(headers)[1:3] == [b"x-a: new", b"X-A: two"]


def test_deleting_moves_the_indexes_at_once() -> None:
    headers = sample()
    first = headers.change(1, b"X-A", b"")
    assert first is not None
    assert first.deleted
    headers.change(1, b"X-A", b" was second")
    assert texts(headers)[1] == b"X-A: was second"
    assert len(headers) == 3


def test_deleting_what_is_not_there_does_nothing() -> None:
    headers = sample()
    assert headers.change(3, b"X-A", b"") is None
    assert headers.change(1, b"X-None", b"") is None
    assert texts(headers) == texts(sample())


@pytest.mark.parametrize("index", [3, 0xFFFFFFFF])
def test_changing_what_is_not_there_appends(index: int) -> None:
    headers = sample()
    headers.change(index, b"X-A", b" third")
    assert texts(headers)[-1] == b"X-A: third"


def test_fields_keep_their_identity() -> None:
    headers = sample()
    field = headers.find(2, b"x-a")
    headers.insert(0, b"X-Top", b"")
    headers.change(1, b"X-A", b"")
    assert headers.change(1, b"X-A", b" new") is field
    assert field is not None
    assert field.text == b" new"
    assert "X-A" in repr(field)


def test_deleted_fields_stay_in_their_slot_for_those_who_still_count_them() -> None:
    headers = sample()
    headers.change(1, b"Received", b"")
    assert [field.deleted for field in headers.fields] == [False, True, False, False, False]


def test_a_header_is_cut_to_what_postfix_keeps() -> None:
    headers = HeaderList()
    headers.add(b"X-Long", normalise(b"z" * 120_000, leadspc=False))
    ((name, text),) = headers.visible()
    assert text.count(b"z") == 59992  # as recorded from Postfix 3.7
    assert len(name) + 1 + len(text) == HEADER_LIMIT


def test_an_empty_message_has_only_the_hidden_header() -> None:
    headers = HeaderList()
    assert headers.visible() == []
    assert [field.hidden for field in headers.fields] == [True]


def test_a_name_that_fills_the_line_leaves_no_room_for_text() -> None:
    headers = HeaderList()
    assert headers.add(b"X" * HEADER_LIMIT, b" v").text == b""
    assert headers.add(b"X" * (HEADER_LIMIT - 3), b" v").text == b" v"
