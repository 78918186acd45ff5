"""One connection of an MTA to a milter, from the milter's side (protocol §2, §3, §6).

Packets are taken one after another: while a handler is at work the ones behind wait, so that each sees what
the ones before it have left in the states. Everything of a message dies with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from postmill.api.handlers import Handler
from postmill.api.nouns import Client, Envelope, Greeting, Head, Header, Message, Noun, Recipient, Sender
from postmill.api.reading import client_from, header_of, macros_of, mta_of, path_from, text_of
from postmill.api.verdicts import Accept, Discard, Quarantine, Reject, Tempfail, Verdict
from postmill.filtering.served import Served
from postmill.mail.body import Body
from postmill.mail.reply import wire_text
from postmill.wire import packets as wire
from postmill.wire.codes import Command, Protocol
from postmill.wire.commands import read_macros
from postmill.wire.fields import exactly, one_string, strings
from postmill.wire.packets import OptNeg, ReplyPacket, decode_command
from postmill.wire.states import FilterRole
from postmill.wire.symbols import Pairs

Work = Coroutine[Any, Any, None]
"""Handlers at work on one event."""

_LEADSPC = int(Protocol.HDR_LEADSPC)
_VERDICTS_KEPT = 256
"""How many verdicts are remembered as packets: most milters say the same few all the time."""
_CONTINUE = wire.Continue()
_HEADER_EDITS = (wire.AddHeader, wire.InsertHeader, wire.ChangeHeader)
_NOBODY = Client("", None)


class _Mail:
    """The message under way."""

    __slots__ = (
        "accepted",
        "body",
        "edits",
        "envelope_asked",
        "headers",
        "macros",
        "recipients",
        "sender",
        "state",
    )

    def __init__(self, sender: Sender, state: Any) -> None:
        self.sender = sender
        self.recipients: list[Recipient] = []
        self.macros: dict[str, str] = {}
        self.headers: list[Header] = []
        self.body: Body | None = None
        self.state = state
        self.edits: list[ReplyPacket] = []
        self.envelope_asked = False
        """The handlers of ``Envelope`` have been asked: at DATA, or where none comes, after it."""
        self.accepted: Accept | None = None
        """Said with edits recorded: the MTA takes those at the end only, so it is told this there."""

    def record(self, edits: list[ReplyPacket]) -> None:
        """Add the edits of one handler; of several bodies the last one counts, whichever handler put it."""
        if any(isinstance(edit, wire.ReplaceBody) for edit in edits):
            self.edits = [edit for edit in self.edits if not isinstance(edit, wire.ReplaceBody)]
        self.edits += edits


class FilterSession:
    """Takes the bytes of an MTA, gives the bytes for it, and the handlers' work in between as coroutines."""

    def __init__(self, served: Served, new_body: Callable[[], Body] = Body) -> None:
        """Begin; ``new_body`` makes the place where a body is kept."""
        self._served = served
        self._new_body = new_body
        self._role = FilterRole()
        self._out: list[bytes] = []
        self._macros: dict[int, Pairs] = {}
        self._client = _NOBODY
        self._greeting = Greeting(_NOBODY, "")
        self._state: Any = None
        """What the milter keeps of the session; made for its first handler, whose failure is then its own."""
        self._mail: _Mail | None = None
        self._leadspc = False
        """Header values come, and are written, with the blank behind the colon."""
        self.because = ""
        """What the log is to say of the last verdict."""
        self.said: list[tuple[type[Noun], Verdict | None]] = []
        """What the handlers said of each noun they were asked about, in order."""
        self.observe = False
        """Whether to keep that."""

    # -- driving --------------------------------------------------------------------------------------

    def agree(self, offer: OptNeg, answer: OptNeg) -> None:
        """Begin as if the MTA had made this offer and been given this answer."""
        self._role.agree(offer, answer)
        self._leadspc = bool(answer.protocol & _LEADSPC)

    def receive(self, data: bytes) -> None:
        """Take what the MTA sent; ``advance`` works it off."""
        self._role.receive_data(data)

    def advance(self) -> Work | None:
        """Work until everything is taken (None) or a handler has to be run: await the result and go on.

        Raises RemoteProtocolError when the MTA breaks the protocol; awaiting raises what a handler raises,
        or that it said what has no place there.
        """
        next_packet = self._role.next_packet
        while (packet := next_packet()) is not None:
            work = _EVENTS[packet[0]](self, packet[1])
            if work is not None:
                return work
        return None

    def output(self) -> bytes:
        """Return what is to be sent to the MTA since the last call."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    @property
    def over(self) -> bool:
        """Whether the MTA said goodbye."""
        return self._role.closed

    @property
    def at_end(self) -> bool:
        """Whether the MTA waits for the answer to the end of a message."""
        return self._role.awaiting[:1] == (Command.BODYEOB,)

    # -- packets --------------------------------------------------------------------------------------

    def _offer(self, _payload: bytes) -> None:
        assert self._role.offer is not None
        answer = self._served.answer(self._role.offer)
        self._leadspc = bool(answer.protocol & _LEADSPC)
        self._send(answer)

    def _macro(self, payload: bytes) -> None:
        command, self._macros[command] = read_macros(payload)

    def _helo(self, payload: bytes) -> Work | None:
        self._mail = None
        name = text_of(one_string(payload, "HELO"))
        self._greeting = Greeting(self._client, name, self._macros_at(Command.HELO))
        return self._ask(self._greeting)

    def _begin_mail(self, payload: bytes) -> Work | None:
        path = path_from(*strings(payload, "MAIL"))
        sender = Sender(self._greeting, *path, self._macros_at(Command.MAIL))
        self._mail = self._new_mail(sender)
        return self._ask(sender)

    def _abort(self, _payload: bytes) -> None:
        self._mail = None
        self._macros.clear()

    def _ignore(self, _payload: bytes) -> None:
        """Ask nobody; UNKNOWN is answered, QUIT is not."""
        self._answer()

    def _begin_again(self, _payload: bytes) -> None:
        self._client, self._mail = _NOBODY, None
        self._greeting = Greeting(_NOBODY, "")
        self._macros.clear()
        self._state = None

    def _connect(self, payload: bytes) -> Work | None:
        packet = decode_command(Command.CONNECT, payload)
        assert isinstance(packet, wire.Connect)
        macros = self._macros.pop(Command.CONNECT, ())
        self._client = client_from(packet, macros, mta_of(macros))
        self._greeting = Greeting(self._client, "")
        return self._ask(self._client)

    def _rcpt(self, payload: bytes) -> Work | None:
        mail = self._message()
        macros = self._macros_at(Command.RCPT)
        recipient = Recipient(mail.sender, *path_from(*strings(payload, "RCPT")), macros)
        if macros.get("rcpt_mailer") == "error":  # the MTA refuses it already (protocol §5.4)
            self._answer()
            return None
        mail.recipients.append(recipient)
        return self._ask(recipient)

    def _data(self, _payload: bytes) -> Work | None:
        mail = self._message()
        mail.macros = self._macros_at(Command.DATA)
        mail.envelope_asked = True
        return self._ask(self._envelope())

    def _header(self, payload: bytes) -> None:
        name, value = exactly(2, payload, "HEADER")
        self._message().headers.append(header_of(name, value if self._leadspc else b" " + value))
        self._answer()

    def _body(self, data: bytes) -> None:
        self._keep(data)
        self._answer()

    def _keep(self, data: bytes) -> None:
        mail = self._message()
        if mail.accepted is not None:  # nobody will look at it
            return
        if mail.body is None:  # most milters never see one
            mail.body = self._new_body()
        mail.body.append(data)

    def _eoh(self, _payload: bytes) -> Work | None:
        return self._content(False)

    def _eob(self, data: bytes) -> Work | None:
        if data:  # the last piece of the body, from an MTA that there is not yet
            self._keep(data)
        return self._content(True)

    def _content(self, complete: bool) -> Work | None:
        """Ask what is known now and was not asked about yet."""
        mail = self._message()
        asked = self._served.asked_about
        wanted: Sequence[Handler] = ()
        if not mail.envelope_asked:
            mail.envelope_asked, wanted = True, asked(Envelope)
            mail.macros = self._macros_at(Command.DATA)  # they come without DATA as well
        mail.macros = mail.macros | self._macros_at(Command.BODYEOB if complete else Command.EOH)
        handlers: list[tuple[Noun, Handler]] = [(self._envelope(), handler) for handler in wanted]
        if last := asked(Message if complete else Head):
            noun = self._whole(mail) if complete else self._head(mail)
            handlers += [(noun, handler) for handler in last]
        return self._begin(handlers, complete)

    # -- handlers -------------------------------------------------------------------------------------

    def _ask(self, noun: Noun) -> Work | None:
        handlers = self._served.asked_about(type(noun))
        if not handlers:
            self._answer()
            return None
        return self._begin([(noun, handler) for handler in handlers], False)

    def _begin(self, handlers: Sequence[tuple[Noun, Handler]], final: bool) -> Work | None:
        """Ask handlers: at once if none of them waits for anything, else the work is left to the driver."""
        mail = self._mail
        if not handlers or (mail is not None and mail.accepted is not None):
            self._conclude(None, final)
            return None
        work = self._run(handlers, final)
        if not all(handler.at_once for _, handler in handlers):
            return work
        try:
            work.send(None)
        except StopIteration:
            return None
        raise AssertionError("a coroutine without await has waited")

    async def _run(self, handlers: Sequence[tuple[Noun, Handler]], final: bool = False) -> None:
        """Ask handlers until one has a verdict, and answer the MTA."""
        verdict: Verdict | None = None
        for noun, handler in handlers:
            recorded: list[ReplyPacket] = []
            try:
                verdict = await self._call(handler, noun, recorded)
            except SystemExit as error:  # it may end what it was asked about, not everybody's mail
                raise RuntimeError(f"handler {handler.name} called sys.exit({error.code!r})") from error
            if verdict is not None:
                handler.check(verdict)
            if self.observe:
                self.said.append((handler.noun, verdict))
            if isinstance(verdict, Reject | Tempfail) and isinstance(noun, Recipient):
                self._message().recipients.pop()
            elif recorded:
                self._message().record(recorded)
            if verdict is not None:
                break
        self._conclude(verdict, final)

    def _call(self, handler: Handler, noun: Noun, recorded: list[ReplyPacket]) -> Awaitable[Verdict | None]:
        edits = None if handler.edits is None else handler.edits(recorded)
        of_message = None if self._mail is None else self._mail.state
        if self._state is None:
            self._state = self._new_state()
        wanted = self._served.arguments(handler, self._state, of_message, edits)
        if handler.waits:
            return handler.function(noun, **wanted)  # type: ignore[no-any-return]
        return self._served.threads.run(partial(handler.function, noun, **wanted))

    # -- answers --------------------------------------------------------------------------------------

    def _conclude(self, verdict: Verdict | None, final: bool) -> None:
        """Answer with a verdict; at the end of a message that is let through, with its edits before it."""
        if final:
            mail, self._mail = self._message(), None
            verdict = verdict or mail.accepted
            if not isinstance(verdict, Reject | Tempfail | Discard):
                for edit in mail.edits:
                    self._send(self._spelled(edit))
            if isinstance(verdict, Quarantine):
                self._send(wire.Quarantine(verdict.reason.encode()))
        elif isinstance(verdict, Accept) and self._mail is not None and self._mail.edits:
            self._mail.accepted, verdict = verdict, None
        if verdict is not None:
            self.because = verdict.because
        self._answer(_packet(verdict))

    def _answer(self, packet: ReplyPacket = _CONTINUE) -> None:
        """Answer the oldest command, unless the MTA was told not to wait for that."""
        if not self._role.owes:
            return
        if packet is _CONTINUE:
            self._out.append(self._role.proceed())
        else:
            self._send(packet)

    def _spelled(self, edit: ReplyPacket) -> ReplyPacket:
        """Return an edit with the blank behind the colon, where that is ours to write (protocol §3.4)."""
        if self._leadspc and isinstance(edit, _HEADER_EDITS) and edit.value[:1] not in (b"", b" ", b"\t"):
            return replace(edit, value=b" " + edit.value)
        return edit

    def _send(self, packet: ReplyPacket) -> None:
        self._out.append(self._role.send(packet))

    # -- nouns ----------------------------------------------------------------------------------------

    def _macros_at(self, command: int) -> dict[str, str]:
        return macros_of(self._macros.pop(command, ()))

    def _envelope(self) -> Envelope:
        mail = self._message()
        return Envelope(mail.sender, tuple(mail.recipients), mail.macros)

    def _head(self, mail: _Mail) -> Head:
        return Head(self._envelope(), tuple(mail.headers))

    def _whole(self, mail: _Mail) -> Message:
        body = mail.body or Body()
        return Message(self._head(mail), body.size, lambda: b"".join(body.chunks()))

    def _new_mail(self, sender: Sender) -> _Mail:
        kind = self._served.milter.message
        return _Mail(sender, None if kind is None else kind())

    def _new_state(self) -> Any:
        kind = self._served.milter.session
        return None if kind is None else kind()

    def _message(self) -> _Mail:
        """Return the message under way; Sendmail and Postfix may begin one without MAIL (protocol §9.9)."""
        if self._mail is None:
            self._mail = self._new_mail(Sender(self._greeting, path_from(b"<>")[0]))
        return self._mail


_EVENTS: dict[int, Callable[[FilterSession, bytes], Work | None]] = {
    Command.OPTNEG: FilterSession._offer,
    Command.MACRO: FilterSession._macro,
    Command.CONNECT: FilterSession._connect,
    Command.HELO: FilterSession._helo,
    Command.MAIL: FilterSession._begin_mail,
    Command.RCPT: FilterSession._rcpt,
    Command.DATA: FilterSession._data,
    Command.HEADER: FilterSession._header,
    Command.EOH: FilterSession._eoh,
    Command.BODY: FilterSession._body,
    Command.BODYEOB: FilterSession._eob,
    Command.ABORT: FilterSession._abort,
    Command.UNKNOWN: FilterSession._ignore,
    Command.QUIT: FilterSession._ignore,
    Command.QUIT_NC: FilterSession._begin_again,
}


@lru_cache(_VERDICTS_KEPT)
def _packet(verdict: Verdict | None) -> ReplyPacket:
    match verdict:
        case Accept():
            return wire.Accept()
        case Discard():
            return wire.Discard()
        case Reject() | Tempfail() if lines := verdict.lines:
            return wire.ReplyCode(wire_text("\r\n".join(lines).encode()))
        case Reject():
            return wire.Reject()
        case Tempfail():
            return wire.Tempfail()
        case _:
            return _CONTINUE
