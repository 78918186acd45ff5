"""One session: the MTA's packets in, commands to the shell out (protocol §6.1, §9.9).

``Session.packet`` takes one packet. It returns the steps that the packet calls for, or None when nothing is
to be done but remembering; the shell runs the steps to their end before it hands in the next packet.
"""

from __future__ import annotations

from collections.abc import Callable

from postmill.api.ports import NO_PORTS, Ports
from postmill.chain import conditions
from postmill.chain.child import OUT_OF_CONNECTION, OUT_OF_MESSAGE, TAKING_PART, Child
from postmill.chain.content import NO_ROOM, run_content
from postmill.chain.edits import for_mta
from postmill.chain.envelope import run_event
from postmill.chain.event import Event
from postmill.chain.judgement import ABORT, QUIT, REFUSALS
from postmill.chain.links import mark, prepare, wants
from postmill.chain.message import Message
from postmill.chain.negotiation import Negotiations
from postmill.chain.notes import Observer
from postmill.chain.opening import negotiate
from postmill.chain.state import Plan, State
from postmill.chain.steps import CONTINUE, CloseChild, Decide, Steps, Tell, Verdict
from postmill.errors import RemoteProtocolError
from postmill.mail.body import Body
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import frame

_GO_ON = frame(Reply.CONTINUE)
_CONTENT = frozenset(int(c) for c in (Command.HEADER, Command.EOH, Command.BODY, Command.BODYEOB))
_HEADER, _BODY, _MACRO = int(Command.HEADER), int(Command.BODY), int(Command.MACRO)
_CONTINUE = int(Reply.CONTINUE)
_WHOLE_MESSAGE = frozenset((Reply.ACCEPT, Reply.DISCARD))
_TOO_BIG = b"552 5.3.4 Message size exceeds the limit of the mail filters"


def encode_verdict(verdict: Verdict) -> bytes:
    """Return the packet that tells the MTA a verdict."""
    if verdict.letter == Reply.REPLYCODE:
        return frame(verdict.letter, verdict.text + b"\0")
    return frame(verdict.letter)


class Session:
    """The brain of one MTA connection."""

    __slots__ = ("stage", "state")

    def __init__(
        self,
        plan: Plan,
        negotiations: Negotiations,
        observer: Observer,
        new_body: Callable[[], Body],
        ports: Ports = NO_PORTS,
    ) -> None:
        """Begin; nothing is connected before the MTA asks for something."""
        self.state = State(plan, negotiations, observer, new_body, ports)
        self.stage = 0
        """Letter of the event under way; 0 between events."""

    def packet(self, letter: int, payload: bytes) -> Steps | None:
        """Take one packet of the MTA.

        Raises RemoteProtocolError for what no MTA may send; the connection cannot be used after that.
        """
        handler = _HANDLERS.get(letter)
        if handler is None:
            raise RemoteProtocolError(f"unknown command {bytes((letter,))!r}")
        if self.state.offer is None and letter not in (Command.OPTNEG, Command.QUIT):
            raise RemoteProtocolError(f"{chr(letter)} before the negotiation")
        if self.state.pending_macros is not None and letter != _MACRO and letter not in _CONTENT:
            self._settle_macros(letter)
        self.stage = letter
        return handler(self, payload)

    @property
    def may_progress(self) -> bool:
        """Whether the MTA takes PROGRESS while it waits for the event under way (protocol §7.4)."""
        return self.stage == Command.BODYEOB or (
            self.state.mta == "postfix" and self.stage not in (0, Command.OPTNEG)
        )

    def hangup(self) -> Steps:
        """The MTA is gone, with QUIT or without: say goodbye to every child."""
        self.stage = 0
        state = self.state
        if state.message is not None:
            self._drop_message()
        for child in state.children:
            if child.open or child.link is not None:
                if child.in_message and ABORT not in child.backlog:
                    child.backlog.append(ABORT)
                farewell = b"".join((*child.backlog, QUIT))
                reuse = child.spec.pool and child.reusable and not child.backlog
                yield CloseChild(child, farewell, reuse)
                child.forget_link()
        state.observer.closed()

    # -- macros ---------------------------------------------------------------------------------------

    def _macro(self, payload: bytes) -> Steps | None:
        if not payload:
            raise RemoteProtocolError("MACRO without the letter of its event")
        letter = payload[0]
        if letter in _CONTENT:
            if self.state.pending_macros is not None:
                self._settle_macros(letter)
            self._message().stage_macros[letter] = payload
            return None
        if self.state.pending_macros is not None:
            self._settle_macros(0)
        self.state.pending_macros = payload
        return None

    def _take_macros(self) -> bytes | None:
        macros, self.state.pending_macros = self.state.pending_macros, None
        return macros

    def _settle_macros(self, letter: int) -> None:
        """Macros whose event does not follow: nobody wants that event, but its macros (protocol §5.4)."""
        macros = self.state.pending_macros
        if macros is None or macros[0] == letter:
            return
        self.state.pending_macros = None
        event = Event(macros[0], b"", macros)
        self._remember(event)
        for child in self.state.children:
            if child.open and not child.waits and child.state == TAKING_PART and wants(child, event):
                mark(child, event.letter)
                prepare(child, event)

    def _remember(self, event: Event) -> None:
        state = self.state
        if event.letter == Command.CONNECT:
            state.connect = event
            state.learn_mta(event.macros)
        elif event.letter == Command.HELO:
            state.helo = event
            self._take_back()
        elif event.letter == Command.MAIL:
            self._begin_message(event)
        elif event.letter == Command.RCPT:
            event.reached = len(state.children)
            self._message().rcpts.append(event)
        elif event.letter == Command.DATA:
            event.reached = len(state.children)
            self._message().data = event

    # -- connection -----------------------------------------------------------------------------------

    def _optneg(self, payload: bytes) -> Steps:
        if self.state.offer is not None:
            raise RemoteProtocolError("a second negotiation")
        return negotiate(self.state, payload)

    def _connect(self, payload: bytes) -> Steps:
        state = self.state
        if state.connect is not None:
            raise RemoteProtocolError("a second CONNECT")
        event = state.connect = Event(Command.CONNECT, payload, self._take_macros())
        state.learn_mta(event.macros)
        state.observer.client(payload, event.macros)
        return self._ask(event)

    def _helo(self, payload: bytes) -> Steps:
        event = self.state.helo = Event(Command.HELO, payload, self._take_macros())
        self._take_back()
        self.state.observer.helo(payload)
        return self._ask(event)

    def _take_back(self) -> None:
        """HELO ends the message for those who are out of it; the ABORT comes behind it (protocol §6.1)."""
        for child in self.state.children:
            if child.state == OUT_OF_MESSAGE:
                child.state = TAKING_PART

    def _unknown(self, payload: bytes) -> Steps:
        event = Event(Command.UNKNOWN, payload, self._take_macros())
        verdict = yield from run_event(self.state, event)
        if verdict.letter in _WHOLE_MESSAGE and self.state.message is not None:
            self.state.message.verdict = verdict
        yield self._decision(event.letter, verdict)

    def _ask(self, event: Event) -> Steps:
        verdict = yield from run_event(self.state, event)
        yield self._decision(event.letter, verdict)

    def _decision(self, letter: int, verdict: Verdict) -> Decide:
        """Return what answers the event under way, which is over with it."""
        self.stage = 0
        if verdict.letter == _CONTINUE:
            return Decide(_GO_ON)
        self.state.observer.decided(letter, verdict)
        return Decide(encode_verdict(verdict))

    # -- envelope -------------------------------------------------------------------------------------

    def _begin_message(self, mail: Event | None) -> Message:
        state = self.state
        if state.message is not None:  # MAIL without ABORT is ABORT and MAIL
            self._drop_message()
        for child in state.children:
            if child.in_message:
                child.backlog.append(ABORT)
            self._forget_message_of(child)
        message = state.message = Message(
            mail, state.agreement is not None and state.agreement.leadspc, state.mta == "sendmail"
        )
        state.observer.message(b"" if mail is None else mail.payload)
        return message

    def _forget_message_of(self, child: Child) -> None:
        child.forget_message()
        if self.state.conditional:
            conditions.forget(child)

    def _message(self) -> Message:
        """Return the message under way; the first event of a message begins it when nobody wants MAIL."""
        return self.state.message or self._begin_message(None)

    def _mail(self, payload: bytes) -> Steps:
        event = Event(Command.MAIL, payload, self._take_macros())
        message = self._begin_message(event)
        self._note_macros(event)
        verdict = yield from run_event(self.state, event)
        if verdict.letter in _WHOLE_MESSAGE:
            message.verdict = verdict
        elif verdict.letter != _CONTINUE:
            self.state.message = None
        yield self._decision(event.letter, verdict)

    def _rcpt(self, payload: bytes) -> Steps:
        event = Event(Command.RCPT, payload, self._take_macros())
        message = self._message()
        self._note_macros(event)
        if message.verdict is None:
            verdict = yield from run_event(self.state, event)
            if verdict.letter in _WHOLE_MESSAGE:
                message.verdict = verdict
            event.refused = verdict.letter in REFUSALS
            message.rcpts.append(event)
        else:
            verdict = message.verdict
        self.state.observer.recipient(payload, verdict)
        yield self._decision(event.letter, verdict)

    def _data(self, payload: bytes) -> Steps:
        event = Event(Command.DATA, payload, self._take_macros())
        message = self._message()
        self._note_macros(event)
        message.data = event
        verdict = message.verdict or (yield from run_event(self.state, event))
        if verdict.letter in _WHOLE_MESSAGE:
            message.verdict = verdict
        yield self._decision(event.letter, verdict)

    def _note_macros(self, event: Event) -> None:
        if event.macros is not None:
            self.state.observer.macros(event.macros)

    # -- content --------------------------------------------------------------------------------------

    def _header(self, payload: bytes) -> Steps | None:
        self._message().headers.append(payload)
        return self._collected(_HEADER)

    def _eoh(self, _payload: bytes) -> Steps | None:
        self._message()
        return self._collected(Command.EOH)

    def _body(self, payload: bytes) -> Steps | None:
        self._keep(self._message(), payload)
        return self._collected(_BODY)

    def _keep(self, message: Message, data: bytes) -> None:
        if message.body is None:
            message.body = self.state.new_body()
        limit = self.state.plan.max_message_size
        if limit and message.body.size + len(data) > limit:
            message.unkept = _TOO_BIG
        if not message.unkept:
            try:
                message.body.append(data)
            except OSError:
                message.unkept = NO_ROOM

    def _collected(self, letter: int) -> Steps | None:
        """Answer at once unless the MTA does not wait; the verdict is given at the end of the message."""
        agreement = self.state.agreement
        if agreement is not None and letter in agreement.quiet:
            return None
        return self._answer_content(letter)

    def _answer_content(self, letter: int) -> Steps:
        yield self._decision(letter, self._message().verdict or CONTINUE)

    def _end_of_message(self, payload: bytes) -> Steps:
        state = self.state
        message = self._message()
        if payload:  # the last piece of the body may ride in this packet
            self._keep(message, payload)
        macros = message.stage_macros.get(Command.BODYEOB)
        if macros is not None:
            state.observer.macros(macros)
        state.observer.content(message.headers, 0 if message.body is None else message.body.size)
        if message.verdict is not None:
            verdict = message.verdict
        elif message.unkept:
            verdict = Verdict(Reply.REPLYCODE, message.unkept, "postmill")
        else:
            verdict = yield from run_content(state, message)
        data = encode_verdict(verdict)
        if verdict.letter == Reply.CONTINUE:
            data = for_mta(message) + self._quarantine(message) + data
        state.observer.decided(Command.BODYEOB, verdict)
        self._end_message()
        yield Decide(data)
        self.stage = 0

    def _quarantine(self, message: Message) -> bytes:
        reason = message.hold if message.hold is not None else self.state.hold_always
        if reason is None:
            return b""
        return frame(Reply.QUARANTINE, b" ".join(reason.split()) + b"\0")

    def _end_message(self) -> None:
        """Forget the message; a child that was not told its end hears ABORT before the next one."""
        self.state.message = None
        for child in self.state.children:
            child.skip = 0
            if child.state == OUT_OF_MESSAGE:
                child.state = TAKING_PART

    # -- endings --------------------------------------------------------------------------------------

    def _drop_message(self) -> None:
        self.state.message = None
        self.state.observer.dismissed()

    def _abort(self, _payload: bytes) -> Steps:
        """Cancel the message, if there is one; twice is as good as once (protocol §6.1, §9.9)."""
        state = self.state
        if state.message is not None:
            self._drop_message()
        for child in state.children:
            yield from self._abort_child(child)
            self._forget_message_of(child)
        self.stage = 0

    def _abort_child(self, child: Child) -> Steps:
        if not child.open or child.state >= OUT_OF_CONNECTION:
            return
        if child.spec.pool and not child.in_message:
            return  # it would spoil the link for the next session (protocol §6.8)
        child.backlog.append(ABORT)
        child.reusable = False
        if child.in_message:
            yield Tell(child, b"".join(child.backlog))
            child.backlog.clear()

    def _quit(self, _payload: bytes) -> Steps:
        return self.hangup()

    def _quit_nc(self, _payload: bytes) -> Steps:
        """The SMTP connection ends, ours does not: children are asked anew at the next CONNECT (§9.9)."""
        yield from self.hangup()
        state = self.state
        state.connect = state.helo = state.hold_always = state.pending_macros = None
        for child in state.children:
            child.state = TAKING_PART
            child.sticky = None
            child.skip = 0
            conditions.forget_connection(child)


_HANDLERS: dict[int, Callable[[Session, bytes], Steps | None]] = {
    Command.OPTNEG: Session._optneg,
    Command.CONNECT: Session._connect,
    Command.HELO: Session._helo,
    Command.MAIL: Session._mail,
    Command.RCPT: Session._rcpt,
    Command.DATA: Session._data,
    Command.UNKNOWN: Session._unknown,
    Command.HEADER: Session._header,
    Command.EOH: Session._eoh,
    Command.BODY: Session._body,
    Command.BODYEOB: Session._end_of_message,
    Command.ABORT: Session._abort,
    Command.QUIT: Session._quit,
    Command.QUIT_NC: Session._quit_nc,
    Command.MACRO: Session._macro,
}
"""One table for all sessions: a table of bound methods in each would be a cycle for the collector to find."""
