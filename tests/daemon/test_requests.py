"""The form of requests and answers on the control socket, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.daemon.lines import LineReader, decode, encode
from postmill.daemon.requests import COMMANDS, VERSION, done, error_of, refused, request_of
from postmill.errors import ConfigError, NotPermittedError, PostmillError, RequestError, UnavailableError


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ({"command": "status"}, {}),
        ({"version": 1, "command": "enable", "milter": "spam"}, {"milter": "spam"}),
        ({"command": "mode", "milter": "a", "mode": "off"}, {"milter": "a", "mode": "off"}),
        ({"command": "reload"}, {"reset": False}),
        ({"command": "stop", "now": True}, {"now": True, "wait": False}),
        ({"command": "log-level", "level": "reset"}, {"level": "reset"}),
    ],
)
def test_what_is_right(message: dict[str, Any], values: dict[str, Any]) -> None:
    request = request_of(message)
    assert (request.command, request.values) == (message["command"], values)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({}, "there is no command None; known here: disable, drain"),
        ({"command": "statsu"}, "there is no command 'statsu'; did you mean status?"),
        ({"command": ["status"]}, "there is no command ['status']"),
        ({"command": "status", "version": 2}, "version 2 of the control protocol: this is version 1"),
        ({"command": "status", "milter": "a"}, "status has no member 'milter'; known here: none"),
        ({"command": "disable", "miltre": "a"}, "disable has no member 'miltre'; did you mean milter?"),
        ({"command": "disable"}, "disable needs the member 'milter': a string"),
        ({"command": "disable", "milter": 5}, "milter must be a string, not 5"),
        (
            {"command": "mode", "milter": "a", "mode": "on"},
            'mode must be "enforce", "evaluate" or "off", not \'on\'',
        ),
        ({"command": "stop", "now": "yes"}, "now must be true or false, not 'yes'"),
        ({"command": "stop", "on_behalf_of": "a\nb"}, "on_behalf_of must be a name of at most 64 characters"),
        (
            {"command": "stop", "on_behalf_of": "a" * 65},
            "on_behalf_of must be a name of at most 64 characters",
        ),
        ({"command": "status", "on_behalf_of": "a"}, "status has no member 'on_behalf_of'"),
    ],
)
def test_what_is_wrong_is_named(message: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError) as caught:
        request_of(message)
    assert text in str(caught.value)


def test_for_whom_somebody_asks() -> None:
    request = request_of({"command": "enable", "milter": "spam", "on_behalf_of": "anna"})
    assert (request.on_behalf_of, str(request)) == ("anna", "enable spam")
    assert request_of({"command": "reload"}).on_behalf_of == ""


def test_only_status_only_looks() -> None:
    assert [name for name, command in COMMANDS.items() if command.only_looks] == ["status"]


@pytest.mark.parametrize(
    "error",
    [
        RequestError("a"),
        NotPermittedError("b"),
        UnavailableError("c"),
        ConfigError("d", file="p.toml", line=3, hint="e"),
        PostmillError("f"),
    ],
)
def test_an_error_arrives_as_it_was(error: PostmillError) -> None:
    answer = decode(encode(refused(error)))
    assert (answer["version"], answer["ok"]) == (VERSION, False)
    arrived = error_of(answer)
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.exit_status) == (str(error), error.exit_status)


def test_a_result_arrives_as_it_was() -> None:
    assert decode(encode(done({"a": [1, None]}))) == {
        "version": VERSION,
        "ok": True,
        "result": {"a": [1, None]},
    }


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"5", b'"a"', b"\xff", b"[" * 3000, b'{"a":' * 800, b"NaN"]
)
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(RequestError):
        decode(line)


def test_lines_may_come_in_any_pieces() -> None:
    stream = b'{"a":1}\n\n{"b":2}\n{"c'
    for size in range(1, len(stream)):
        reader = LineReader(100)
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [line for piece in pieces for line in reader.feed(piece)] == [b'{"a":1}', b"", b'{"b":2}']


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n", b"a\n" + b"x" * 11])
def test_a_line_that_is_too_long_is_refused_before_it_ends(data: bytes) -> None:
    with pytest.raises(RequestError, match="at most 10 bytes"):
        LineReader(10).feed(data)
    assert LineReader(10).feed(b"x" * 10 + b"\n") == [b"x" * 10]
