"""A session of a milter packet by packet: what it takes that no MTA of today sends, and what breaks the protocol."""

from __future__ import annotations

import asyncio

import pytest

from postmill.api import Envelope, Head, Message, Milter
from postmill.errors import RemoteProtocolError
from postmill.filtering import FilterSession, Served
from postmill.wire import packets as wire
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Command
from postmill.wire.framing import FrameReader, frame
from postmill.wire.packets import CommandPacket, encode

OFFER = wire.OptNeg(6, ALL_ACTIONS, ALL_PROTOCOL)
ENVELOPE = (
    wire.Connect(b"client.example"),
    wire.Helo(b"h"),
    wire.Mail(b"<a@x.example>"),
    wire.Rcpt(b"<b@y.example>"),
)


def macros(command: int, **values: str) -> CommandPacket:
    return wire.Macro(command, tuple((name.encode(), value.encode()) for name, value in values.items()))


def say(session: FilterSession, *packets: CommandPacket | bytes) -> list[tuple[int, bytes]]:
    """Say something and return what is answered."""

    async def work() -> None:
        while (one := session.advance()) is not None:
            await one

    session.receive(b"".join(packet if isinstance(packet, bytes) else encode(packet) for packet in packets))
    asyncio.run(work())
    return FrameReader().feed(session.output())


def test_the_body_may_come_with_its_end() -> None:
    seen: list[bytes] = []
    app = Milter("app")

    @app.on
    def look(msg: Message) -> None:
        seen.append(msg.body)

    session = FilterSession(Served(app))
    say(session, OFFER, *ENVELOPE, wire.Header(b"Subject", b"x"), wire.Eoh())
    say(session, wire.Body(b"one\r\n"), wire.BodyEob(b"two\r\n"))
    say(session, wire.Mail(b"<>"), wire.Rcpt(b"<b@y.example>"), wire.BodyEob(b"three\r\n"))
    assert seen == [b"one\r\ntwo\r\n", b"three\r\n"]


def test_macros_of_all_stages_are_kept_whether_data_is_wanted_or_not() -> None:
    seen: list[dict[str, str]] = []
    asked, unasked = Milter("asked"), Milter("unasked")

    @asked.on
    def at_data(envelope: Envelope) -> str | None:
        seen.append(dict(envelope.macros))
        return None

    for app in (asked, unasked):

        @app.on
        def at_eoh(head: Head) -> None:
            seen.append(dict(head.envelope.macros))

        @app.on
        def at_end(msg: Message) -> None:
            seen.append(dict(msg.envelope.macros))

    for app in (asked, unasked):
        session = FilterSession(Served(app))
        say(session, OFFER, *ENVELOPE, macros(Command.DATA, i="1", d="data"))
        say(session, *([wire.Data()] if app is asked else []))
        say(session, macros(Command.EOH, i="2", h="eoh"), wire.Eoh())
        say(session, macros(Command.BODYEOB, i="3", e="end"), wire.BodyEob())
    later = [{"i": "2", "d": "data", "h": "eoh"}, {"i": "3", "d": "data", "h": "eoh", "e": "end"}]
    assert seen == [{"i": "1", "d": "data"}, *later, *later]


@pytest.mark.parametrize(
    ("letter", "payload"),
    [
        (Command.MACRO, b""),
        (Command.MACRO, b"Mi\0"),
        (Command.CONNECT, b"host"),
        (Command.HELO, b"name"),
        (Command.MAIL, b"<a@x.example>"),
        (Command.HEADER, b"name\0"),
        (Command.OPTNEG, b"\0\0\0\6"),
        (ord("?"), b""),
    ],
)
def test_what_is_malformed_breaks_the_protocol(letter: int, payload: bytes) -> None:
    app = Milter("app")
    app.on(_look)
    session = FilterSession(Served(app))
    say(session, OFFER)
    with pytest.raises(RemoteProtocolError):
        say(session, frame(letter, payload))


def _look(msg: Message) -> None:
    return None
