"""A session of a milter packet by packet: what it takes that no MTA of today sends, and what breaks the protocol."""

from __future__ import annotations

import asyncio

import pytest

from postmill.api import Accept, Envelope, Head, HeaderEdit, Message, Milter, Recipient, Verdict
from postmill.errors import RemoteProtocolError
from postmill.filtering import FilterSession, Served
from postmill.wire import packets as wire
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, Command, Reply
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
    def at_data(envelope: Envelope) -> Verdict | None:
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


def _of_head(asked: list[str]) -> Milter:
    """A milter that has seen enough at the headers, and writes down of which recipients it was asked."""
    app = Milter("app")

    @app.on
    async def mark(rcpt: Recipient, edit: HeaderEdit) -> Verdict | None:
        asked.append(rcpt.address.local)
        if rcpt.address.local != "plain":
            edit.add_header("X-Rcpt", rcpt.address.local)
        return Accept(because="known") if rcpt.address.local in ("vip", "plain") else None

    @app.on
    async def at_head(head: Head) -> Verdict | None:
        asked.append("head")
        return Accept(because="enough")

    @app.on
    async def at_end(msg: Message) -> None:
        asked.append("end")

    return app


CONTENT = (wire.Header(b"Subject", b" x"), wire.Eoh(), wire.Body(b"text\r\n"), wire.BodyEob())


@pytest.mark.parametrize(
    ("recipients", "asked", "because"),
    [
        (["one"], ["one", "head"], "enough"),
        (["one", "vip", "two"], ["one", "vip"], "known"),
        (["one", "plain"], ["one", "plain"], "known"),
    ],
)
def test_an_accept_before_the_end_keeps_what_was_edited(
    recipients: list[str], asked: list[str], because: str
) -> None:
    seen: list[str] = []
    session = FilterSession(Served(_of_head(seen)))
    say(session, OFFER, *ENVELOPE[:3])
    for local in recipients:
        assert say(session, wire.Rcpt(f"<{local}@y.example>".encode())) == [(Reply.CONTINUE, b"")]
    assert say(session, *CONTENT[:-1]) == [(Reply.CONTINUE, b"")]
    assert (seen, session.because) == (asked, "")
    *edits, verdict = say(session, CONTENT[-1])
    marks = [name for name in asked if name not in ("head", "plain")]
    assert edits == [(Reply.ADDHEADER, b"X-Rcpt\0 %s\0" % name.encode()) for name in marks]
    assert (verdict, seen, session.because) == ((Reply.ACCEPT, b""), asked, because)


def test_an_accept_with_nothing_edited_ends_the_message_at_once() -> None:
    seen: list[str] = []
    session = FilterSession(Served(_of_head(seen)))
    say(session, OFFER, *ENVELOPE[:3])
    assert say(session, wire.Rcpt(b"<plain@y.example>")) == [(Reply.ACCEPT, b"")]
    assert (seen, session.because) == (["plain"], "known")


def test_an_accept_that_waits_for_the_end_of_a_message_dies_with_it() -> None:
    seen: list[str] = []
    session = FilterSession(Served(_of_head(seen)))
    say(session, OFFER, *ENVELOPE[:2])
    for local in ("vip", "one"):
        say(session, wire.Mail(b"<a@x.example>"), wire.Rcpt(b"<%s@y.example>" % local.encode()), wire.Abort())
    assert seen == ["vip", "one"]


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
