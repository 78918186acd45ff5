"""The header list that Sendmail keeps; each fact here was seen on Sendmail 8.17 (tests/interop/sendmail)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.mail.sendmail_headers import DEFAULTS, SendmailHeaders

PAIRS = [
    (b"From", b" ham@ext.example"),
    (b"X-Multi", b" one"),
    (b"X-Keep", b" this"),
    (b"X-Multi", b" two"),
    (b"X-Multi", b" three"),
]
Edit = tuple[str, int, bytes, bytes]


def apply(model: SendmailHeaders, edits: Sequence[Edit]) -> list[Edit]:
    """Apply edits; return how they are to be sent in one session."""
    sent: list[Edit] = []
    for kind, index, name, text in edits:
        if kind == "h":
            place = model.add(name, text)
            sent.append((kind, 0, name, text) if place is None else ("m", place, name, text))
        elif kind == "i":
            sent.append((kind, model.insert(index, name, text), name, text))
        else:
            sent.append((kind, model.change(index, name, text), name, text))
    return sent


def after(*filters: Sequence[Edit]) -> str:
    """Return the headers after these filters, as one line without the From in front."""
    model = SendmailHeaders(PAIRS)
    for edits in filters:
        model.next_filter()
        apply(model, edits)
    return " ".join(f"{name.decode()}:{text.decode()}" for name, text in model.visible()).replace(": ", ":")


def h(name: str, text: str) -> Edit:
    return "h", 0, name.encode(), b" " + text.encode()


def i(index: int, name: str, text: str) -> Edit:
    return "i", index, name.encode(), b" " + text.encode()


def m(index: int, text: str, name: str = "X-Multi") -> Edit:
    return "m", index, name.encode(), (text and b" " + text.encode()) or b""


REST = "From:ham@ext.example"


@pytest.mark.parametrize(
    ("filters", "result"),
    [
        ([[h("X-New", "n")]], f"{REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three X-New:n"),
        ([[h("X-Multi", "n")]], f"{REST} X-Multi:n X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(7, "n")]], f"{REST} X-Multi:n X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(0, "n")]], f"{REST} X-Multi:n X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(2, "n", "x-mULTI")]], f"{REST} X-Multi:one X-Keep:this X-Multi:n X-Multi:three"),
        ([[h("Message-ID", "n")]], f"Message-Id:n {REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[h("Received", "n")]], f"Received:n {REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[i(0, "X-A", "n")]], f"X-A:n {REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[i(8, "X-A", "n")]], f"X-A:n {REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[i(9, "X-A", "n")]], f"{REST} X-A:n X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
        ([[i(99, "X-A", "n")]], f"{REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three X-A:n"),
        ([[m(1, ""), m(2, "")]], f"{REST} X-Keep:this X-Multi:three"),
        ([[m(1, "")], [m(1, "")]], f"{REST} X-Keep:this X-Multi:three"),
        ([[m(1, ""), m(1, "again")]], f"{REST} X-Multi:again X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(1, "")], [h("X-Multi", "n")]], f"{REST} X-Multi:n X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(1, ""), m(2, ""), m(3, "")], [m(1, "n")]], f"{REST} X-Keep:this X-Multi:n"),
        ([[m(1, "")], [m(9, "n")]], f"{REST} X-Multi:n X-Keep:this X-Multi:two X-Multi:three"),
        ([[m(9, "")]], f"{REST} X-Multi:one X-Keep:this X-Multi:two X-Multi:three"),
    ],
)
def test_what_filters_see_after_edits(filters: list[list[Edit]], result: str) -> None:
    assert after(*filters) == result


NAMES = st.sampled_from([b"X-Multi", b"x-multi", b"X-Keep", b"X-New", b"From", b"Date", b"Received"])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("h"), st.just(0), NAMES, st.binary(min_size=1, max_size=3)),
        st.tuples(st.just("i"), st.integers(0, 20), NAMES, st.binary(min_size=1, max_size=3)),
        st.tuples(st.just("m"), st.integers(0, 6), NAMES, st.binary(max_size=3)),
    ),
    max_size=6,
)


@given(st.lists(EDITS, max_size=4))
def test_edits_of_many_filters_mean_the_same_when_sent_as_one_filter(filters: list[list[Edit]]) -> None:
    apart, sent = SendmailHeaders(PAIRS), list[Edit]()
    for edits in filters:
        apart.next_filter()
        sent += apply(apart, edits)
    together = SendmailHeaders(PAIRS)
    assert apply(together, sent) == sent
    assert together.visible() == apart.visible()


def test_the_hidden_headers_are_those_of_a_usual_configuration() -> None:
    assert len(DEFAULTS) == 9
    assert SendmailHeaders().visible() == []
