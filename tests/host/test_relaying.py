"""Knocking at an SMTP service, as played by a scripted one on a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from postmill.host.relaying import STRANGER, Attempt, Door, attempt, disguises

EVERYTHING = {
    "greeting": "220 mx.example ESMTP",
    "EHLO": "250 mx.example",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class Service:
    """Answers each command by its first word, and remembers what was said."""

    def __init__(self, replies: Mapping[str, str]) -> None:
        self.replies = replies
        self.said: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.door = Door("127.0.0.1", self.listener.getsockname()[1], False, "mx.example")

    def serve(self) -> None:
        link, _ = self.listener.accept()
        with link, link.makefile("rw", newline="\r\n") as lines:
            for reply in self._replies(lines):
                lines.write(reply + "\r\n")
                lines.flush()

    def _replies(self, lines: Iterator[str]) -> Iterator[str]:
        yield self.replies["greeting"]
        for line in lines:
            self.said.append(line.strip())
            reply = self.replies.get(line.split()[0].upper(), "500 what?")
            for word, special in self.replies.items():
                reply = special if word in line else reply
            yield reply
            if line.startswith("QUIT"):
                return


@contextmanager
def service(**replies: str) -> Iterator[Service]:
    one = Service({**EVERYTHING, **replies})
    thread = threading.Thread(target=one.serve)
    thread.start()
    yield one
    thread.join(10)
    one.listener.close()


def test_one_that_takes_everything() -> None:
    with service() as one:
        assert attempt(one.door, 5) == Attempt("127.0.0.1", disguises("mx.example"))
    assert [line.split()[0].upper() for line in one.said] == ["EHLO", "MAIL", *["RCPT"] * 5, "RSET", "QUIT"]


def test_one_that_takes_nothing() -> None:
    with service(RCPT="554 5.7.1 Relay access denied") as one:
        assert attempt(one.door, 5) == Attempt("127.0.0.1", reply="554 5.7.1 Relay access denied")


def test_one_that_lets_us_pretend() -> None:
    with service(EHLO="250-mx.example\r\n250 XCLIENT NAME ADDR PORT", XCLIENT="220 as you like") as one:
        assert attempt(one.door, 5).client == STRANGER
    assert "XCLIENT NAME=[UNAVAILABLE] ADDR=203.0.113.9" in one.said


def test_one_that_does_not_let_us_pretend_after_all() -> None:
    with service(EHLO="250-mx.example\r\n250 XCLIENT NAME ADDR PORT", XCLIENT="550 no") as one:
        assert attempt(one.door, 5).client == "127.0.0.1"


@pytest.mark.parametrize("reply", ["530 5.7.0 Must issue a STARTTLS command first", "451 4.7.1 Try again"])
def test_one_that_is_not_to_be_tried(reply: str) -> None:
    with service(MAIL=reply) as one:
        assert attempt(one.door, 5).trouble == f"MAIL FROM:<postmill-doctor@example.net> was answered {reply}"


def test_one_that_shows_us_the_door() -> None:
    with service(greeting="554 5.7.1 go away") as one:
        assert attempt(one.door, 5).trouble == "554 5.7.1 go away"


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert attempt(Door("127.0.0.1", port, False, "mx.example"), 1).trouble == "Connection refused"
