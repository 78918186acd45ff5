"""Bodies (protocol §1.2, §3.4)."""

from __future__ import annotations

import tempfile
from io import BytesIO

import pytest

from postmill.mail.body import Body, replacement, replacement_pieces


def test_an_empty_body_has_no_chunks() -> None:
    assert list(Body().chunks()) == []
    assert Body().size == 0


def test_chunks_are_cut_where_the_mtas_cut_them() -> None:
    body = Body()
    for _ in range(3):
        body.append(b"x" * 50_000)
    assert body.size == 150_000
    assert [len(chunk) for chunk in body.chunks()] == [65535, 65535, 18930]
    assert [len(chunk) for chunk in body.chunks(100_000)] == [100_000, 50_000]


def test_readers_and_writer_do_not_disturb_each_other() -> None:
    with tempfile.TemporaryFile() as spool:
        body = Body(lambda: spool)
        body.append(b"abcdef")
        one, two = body.chunks(2), body.chunks(3)
        assert next(one) == b"ab"
        assert next(two) == b"abc"
        assert next(one) == b"cd"
        body.append(b"gh")
        assert [*one] == [b"ef", b"gh"]
        assert [*two] == [b"def", b"gh"]


def test_only_a_large_body_gets_a_spool() -> None:
    spools: list[BytesIO] = []

    def new_spool() -> BytesIO:
        spools.append(BytesIO())
        return spools[-1]

    body = Body(new_spool, most=6)
    body.append(b"abc")
    body.append(b"def")
    reader = body.chunks(4)
    assert (spools, next(reader)) == ([], b"abcd")
    for _ in range(2):
        body.append(b"ghi")
    assert [spool.getvalue() for spool in spools] == [b"abcdefghighi"]
    assert [*reader] == [b"efgh", b"ighi"]


def test_a_body_without_room_for_a_spool_stays_as_it_is() -> None:
    def new_spool() -> BytesIO:
        raise OSError("no room")

    body = Body(new_spool, most=3)
    body.append(b"abc")
    with pytest.raises(OSError, match="no room"):
        body.append(b"d")
    assert [*body.chunks()] == [b"abc"]


def test_a_spool_that_lost_bytes_is_noticed() -> None:
    spool = BytesIO()
    body = Body(lambda: spool)
    body.append(b"abcdef")
    spool.truncate(4)
    with pytest.raises(EOFError, match="byte 4 of 6"):
        list(body.chunks(2))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\nb", b"a\r\nb\r\n"),
        (b"a\rb", b"a\rb\r\n"),
        (b"a\r\r\nb\n", b"a\r\r\nb\r\n"),
        (b"a\r", b"a\r\r\n"),
        (b"\n\n", b"\r\n\r\n"),
        (b"\r\n", b"\r\n"),
        (b"\0\xff", b"\0\xff\r\n"),
    ],
)
def test_a_replaced_body_consists_of_lines(sent: bytes, kept: bytes) -> None:
    assert replacement([sent]) == kept
    assert replacement([sent[i : i + 1] for i in range(len(sent))]) == kept
    assert replacement([b"", sent[:1], b"", sent[1:], b""]) == kept
    assert replacement([kept]) == kept


def test_a_large_replacement_need_not_be_in_memory() -> None:
    pieces = replacement_pieces(b"x\n" for _ in range(3))
    assert next(pieces) == b"x\r\n"
