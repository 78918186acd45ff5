"""Verdicts: what an SMTP client would hear, and what is refused when one is built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api import Quarantine, Reject, Tempfail
from postmill.errors import RemoteConfigError
from postmill.mail.reply import check_reply_text, wire_text


@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        (Reject(), ()),
        (Reject("5.7.1 No"), ("550 5.7.1 No",)),
        (Reject("554 5.7.1 No"), ("554 5.7.1 No",)),
        (Reject("No"), ("550 No",)),
        (Tempfail("4.7.1 Later"), ("451 4.7.1 Later",)),
        (Tempfail("421 4.7.0 Bye"), ("421 4.7.0 Bye",)),
        (Reject("5.7.1 One\nTwo"), ("550-5.7.1 One", "550 5.7.1 Two")),
        (Reject("554 5.7.1 One\n5.7.2 Two\nThree"), ("554-5.7.1 One", "554-5.7.2 Two", "554 5.7.1 Three")),
        (Reject("score 2.9"), ("550 score 2.9",)),
        (Tempfail("busy to 100%"), ("451 busy to 100%",)),
    ],
)
def test_the_reply(verdict: Reject | Tempfail, lines: tuple[str, ...]) -> None:
    assert verdict.lines == lines


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (Reject, "451 4.7.1 No", "451 is no code of a Reject"),
        (Reject, "4.7.1 No", "of another class: b'550 4.7.1 No'"),
        (Tempfail, "550 5.7.1 No", "550 is no code of a Tempfail"),
        (Tempfail, "451 5.7.1 No", "of another class: b'451 5.7.1 No'"),
        (Reject, "5.7.1 One\n4.7.1 Two", "of another class: b'550 4.7.1 Two'"),
        (Reject, "2.9 is the score", "of another class: b'550 2.9 is the score'"),
        (Reject, "a\rb", "control characters"),
        (Reject, "a\0b", "control characters"),
        (Reject, "x" * 401, "401 bytes"),
        (Reject, "200 fine", "200 is no code"),
    ],
)
def test_what_is_no_reply(kind: type[Reject | Tempfail], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(text)


def test_a_reason_has_one_line() -> None:
    with pytest.raises(ValueError, match="control characters"):
        Quarantine("a\nb")


def test_what_the_log_says_does_not_count() -> None:
    assert Reject("5.7.1 No", because="listed") == Reject("5.7.1 No")
    assert Reject("5.7.1 No") != Reject("5.7.2 No")


@given(st.text(max_size=80), st.sampled_from((Reject, Tempfail)))
def test_whatever_is_built_an_mta_takes(text: str, kind: type[Reject | Tempfail]) -> None:
    try:
        verdict = kind(text)
        data = wire_text("\r\n".join(verdict.lines).encode())
    except ValueError:
        return
    if not data:
        return
    try:
        check_reply_text(data + b"\0")
    except RemoteConfigError as error:
        pytest.fail(f"{text!r}: {error}")
