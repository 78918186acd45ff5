"""Whose macros come alone is Sendmail, and is acknowledged at once; nobody else pays for that (protocol §8)."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from postmill.chain.negotiation import Negotiations
from postmill.chain.session import Session
from postmill.chain.state import Plan
from postmill.mail.body import Body
from postmill.net.poller import READ
from postmill.net.stream import Stream
from postmill.net.upstream import MtaConnection
from postmill.record import Recorder
from postmill.wire.codes import Command
from postmill.wire.framing import frame

MACROS = frame(Command.MACRO, b"Cv\x008.17.1.9\0")
CONNECT = frame(Command.CONNECT, b"client\x004\x12\x34192.0.2.1\0")
OFFER = frame(Command.OPTNEG, b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")


class Bench:
    """An MTA connection over real TCP; `write` hands it what one read of its socket finds."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.mta = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.ready: Any = None
        poller = SimpleNamespace(watch=self._register, forget=lambda fd: None)
        service = SimpleNamespace(poller=poller, now=lambda: 0.0, children={})
        session = Session(Plan(()), Negotiations(), Recorder("s", lambda record: None, lambda: 0.0), Body)
        self.connection = MtaConnection(cast(Any, service), self.ours, session)

    def _register(self, fd: int, events: int, callback: Any) -> None:
        self.ready = callback

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *exc: object) -> None:
        self.mta.close()
        self.ours.close()

    def write(self, data: bytes) -> None:
        self.mta.sendall(data)
        self.ready(READ)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    calls: list[Stream] = []

    def note(stream: Stream) -> None:
        calls.append(stream)

    monkeypatch.setattr(Stream, "ask_quick_ack", note)
    return calls


def test_macros_alone(asked: list[Stream]) -> None:
    with Bench() as bench:
        bench.write(OFFER)
        assert not asked
        bench.write(MACROS)
        assert asked


def test_macros_with_their_command(asked: list[Stream]) -> None:
    with Bench() as bench:
        bench.write(OFFER)
        bench.write(MACROS + CONNECT)
        assert not asked
