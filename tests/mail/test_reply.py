"""Reply texts (protocol §3.3); the recorded ones are in tests/golden."""

from __future__ import annotations

import pytest

from postmill.errors import RemoteConfigError
from postmill.mail.reply import check_as_postfix, check_reply_text, reply_class, smtp_text, wire_text


@pytest.mark.parametrize(
    "text",
    [
        b"550 5.7.1 no",
        b"450 4.7.1 later",
        b"421 4.3.2 bye",
        b"550 plain text",
        b"550 ",
        b"550 5 things are wrong",
        b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 last",
        b"550-no enhanced code\r\n550-4 attempts left\r\n550 4.5 percent",
        b"550 5.7.1 100%% no",
        b"550 5.7.1 caf\xc3\xa9 \xff\ttab",
        b"550 5.7.1 " + b"x" * 5000,
    ],
)
def test_good_texts_pass_as_they_are(text: bytes) -> None:
    assert check_reply_text(text + b"\0") == text


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"", "NUL at its end"),
        (b"550 5.7.1 no", "NUL at its end"),
        (b"\0", "malformed line"),
        (b"550 5.7.1 a\0b\0", "malformed line"),
        (b"550 5.7.1 a\0\0", "malformed line"),
        (b"250 2.0.0 ok\0", "malformed line"),
        (b"354 go\0", "malformed line"),
        (b"600 x\0", "malformed line"),
        (b"55 x\0", "malformed line"),
        (b"5550 x\0", "malformed line"),
        (b"550\0", "malformed line"),
        (b"550x\0", "malformed line"),
        (b"550\tx\0", "malformed line"),
        (b" 550 x\0", "malformed line"),
        ("5٥0 x\0".encode(), "malformed line"),
        (b"550 5.7.1 x\r\n\0", "malformed line"),
        (b"550-5.7.1 x\n550 5.7.1 y\0", "malformed line"),
        (b"550-5.7.1 x\r550 5.7.1 y\0", "malformed line"),
        (b"550-5.7.1 x\r\n\r\n550 5.7.1 y\0", "malformed line"),
        (b"550-5.7.1 x\r\nplain\0", "malformed line"),
        (b"550-5.7.1 x\r\n551 5.7.1 y\0", "different codes"),
        (b"550 5.7.1 x\r\n550 5.7.1 y\0", "goes on after its last line"),
        (b"550-5.7.1 x\0", "without a last line"),
        (b"550-5.7.1 x\r\n550-5.7.1 y\0", "without a last line"),
        (b"550 4.7.1 x\0", "another class"),
        (b"450 5.7.1 x\0", "another class"),
        (b"550 2.0.0 x\0", "another class"),
        (b"550 4 attempts\0", "another class"),
        (b"550-5.7.1 x\r\n550 4.7.1 y\0", "another class"),
    ],
)
def test_bad_texts_are_configuration_errors(payload: bytes, what: str) -> None:
    with pytest.raises(RemoteConfigError, match=what):
        check_reply_text(payload)


@pytest.mark.parametrize(
    ("sent", "passed_on", "client_sees"),
    [
        (
            b"550 5.7.1 100%% sure %s %n %",
            b"550 5.7.1 100%% sure s n ",
            b"550 5.7.1 100% sure s n ",
        ),  # recorded from Postfix 3.7
        (b"550 %%%", b"550 %%", b"550 %"),
        (b"550 %%%%", b"550 %%%%", b"550 %%"),
        (b"550 none", b"550 none", b"550 none"),
    ],
)
def test_percent_signs(sent: bytes, passed_on: bytes, client_sees: bytes) -> None:
    assert check_reply_text(sent + b"\0") == passed_on
    assert smtp_text(sent) == client_sees
    assert smtp_text(passed_on) == client_sees


def test_what_we_write_ourselves_is_seen_as_written() -> None:
    assert wire_text(b"550 5.7.1 100% no") == b"550 5.7.1 100%% no"
    assert smtp_text(wire_text(b"550 100%% a%b")) == b"550 100%% a%b"


def test_the_class_of_a_reply() -> None:
    assert reply_class(b"451 4.7.1 later") == 4
    assert reply_class(b"554 5.7.1 no") == 5


@pytest.mark.parametrize(
    "payload", [b"550-5.7.1 no end\0", b"550 a\n550 b\0", b"421 x\0", b"550 5.7.1 100% x\0"]
)
def test_the_checks_of_postfix_let_through(payload: bytes) -> None:
    assert check_as_postfix(payload) == payload[:-1]


@pytest.mark.parametrize("payload", [b"\0", b"250 ok\0", b"550\0", b"550x\0", b"550 4.7.1 x\0"])
def test_the_checks_of_postfix_refuse(payload: bytes) -> None:
    with pytest.raises(RemoteConfigError):
        check_as_postfix(payload)
