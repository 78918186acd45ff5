"""Talking to milters, real ones on sockets and such that only pretend; who listens at a socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postmill.host.talking import listener, negotiate
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Close, Negotiation, Script, Send
from postmill.wire.endpoint import Endpoint


def test_a_milter_that_is_well() -> None:
    with ScriptedChild() as child:
        answer = negotiate(child.endpoint, 5)
        assert answer.trouble == ""
        assert answer.negotiated is not None
        assert answer.negotiated.version == 6
        assert child.wait_for(lambda event: event.code == "Q"), "nobody said goodbye"


@pytest.mark.parametrize(
    ("steps", "trouble"),
    [
        ((), "no answer within 0.2 s"),
        ((Close(),), "it closes the connection without an answer"),
        ((Send(b"\0\0\0\1c"),), "what it says is no milter protocol: "),
        ((Send(b"220 mail.example ESMTP\r\n"),), "what it says is no milter protocol: "),
    ],
)
def test_a_milter_that_is_not(steps: tuple[Send | Close, ...], trouble: str) -> None:
    with ScriptedChild(Script(Negotiation(steps=steps))) as child:
        answer = negotiate(child.endpoint, 0.2)
        assert answer.trouble.startswith(trouble)
        assert (answer.negotiated, answer.barred) == (None, False)


def test_nobody_there(tmp_path: Path) -> None:
    assert negotiate(Endpoint("unix", str(tmp_path / "none")), 1).trouble == "No such file or directory"


@contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_who_listens(tmp_path: Path) -> None:
    with listening(tmp_path / "sock"):
        found = listener(str(tmp_path / "sock"))
        assert found is not None
        assert found.uid == os.geteuid()
    assert listener(str(tmp_path / "sock")) is None
