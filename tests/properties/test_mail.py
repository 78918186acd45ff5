"""Laws of the message model (protocol §3.3, §3.4, §9.5)."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from postmill.errors import RemoteConfigError
from postmill.mail.body import Body, replacement
from postmill.mail.headers import HeaderList, normalise, shown
from postmill.mail.reply import check_reply_text, reply_class, smtp_text, wire_text

GOOD = re.compile(rb"(?:([45]\d\d)-[^\r\n\0]*\r\n)*[45]\d\d [^\r\n\0]*")
lines = st.lists(
    st.sampled_from([b"550 x", b"550-x", b"450 y", b"550-5.7.1 x", b"550 4.1.1", b"x", b"", b"5%0%% %"])
)
values = st.lists(st.sampled_from([b"a", b"\r", b"\n", b" ", b"\t", b"\xff", b":"]), max_size=12).map(
    b"".join
)


@given(st.one_of(st.binary(max_size=40), lines.map(b"\r\n".join).map(lambda text: text + b"\0")))
def test_a_checked_text_is_always_a_reply_and_checking_again_changes_nothing(payload: bytes) -> None:
    try:
        text = check_reply_text(payload)
    except RemoteConfigError:
        return
    assert GOOD.fullmatch(text)
    assert len({line[:3] for line in text.split(b"\r\n")}) == 1
    assert check_reply_text(text + b"\0") == text
    assert wire_text(smtp_text(text)) == text
    assert reply_class(text) == int(text[:1])


@given(values, st.booleans())
def test_a_header_value_never_becomes_a_second_header(value: bytes, leadspc: bool) -> None:
    text = normalise(value, leadspc)
    assert all(line[:1] in (b" ", b"\t") for line in text.split(b"\n")[1:])
    assert b"\r\n" not in text
    assert normalise(text, True) == text
    assert normalise(shown(normalise(value, False), False), False) == normalise(value, False)


edits = st.lists(
    st.tuples(
        st.sampled_from(["add", "insert", "change"]),
        st.integers(0, 6),
        st.sampled_from([b"A", b"a", b"B"]),
        st.sampled_from([b"", b" x", b" y"]),
    ),
    max_size=15,
)


class Model:
    """The rules of protocol §9.5, written as plainly as possible: a list, with None for the hidden header."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self.rows: list[tuple[bytes, bytes] | None] = [None, *pairs]

    def add(self, _index: int, name: bytes, text: bytes) -> None:
        self.rows.append((name, text))

    def insert(self, index: int, name: bytes, text: bytes) -> None:
        self.rows.insert(index, (name, text))

    def change(self, index: int, name: bytes, text: bytes) -> None:
        same = [i for i, row in enumerate(self.rows) if row and row[0].lower() == name.lower()]
        if len(same) >= max(index, 1):
            place = same[max(index, 1) - 1]
            self.rows[place : place + 1] = [(name, text)] if text else []
        elif text:
            self.rows.append((name, text))


@given(st.lists(st.tuples(st.sampled_from([b"A", b"B"]), st.just(b" v")), max_size=6), edits)
def test_headers_follow_the_plain_model(
    pairs: list[tuple[bytes, bytes]], steps: list[tuple[str, int, bytes, bytes]]
) -> None:
    headers, model = HeaderList(pairs), Model(pairs)
    for kind, index, name, text in steps:
        getattr(model, kind)(index, name, text)
        if kind == "add":
            headers.add(name, text)
        else:
            getattr(headers, kind)(index, name, text)
        live = [None if f.hidden else (f.name, f.text) for f in headers.fields if not f.deleted]
        assert live == model.rows
    assert len(headers) == len(headers.visible()) == len(model.rows) - 1


@given(st.lists(st.binary(max_size=50)), st.integers(1, 70))
def test_a_body_gives_back_what_it_got(pieces: list[bytes], size: int) -> None:
    body = Body()
    for piece in pieces:
        body.append(piece)
    chunks = list(body.chunks(size))
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(chunks)


@given(values, st.lists(st.integers(0, 12), max_size=4))
def test_a_replacement_does_not_depend_on_its_cut(data: bytes, places: list[int]) -> None:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    whole = replacement([data])
    assert replacement(pieces) == whole
    assert not data or whole.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n", whole)
