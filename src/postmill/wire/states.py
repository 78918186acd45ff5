"""Both ends of a milter connection as state machines (protocol §3.2, §4.4, §6).

``MtaRole`` speaks to a filter, ``FilterRole`` to an MTA. Both have the same five verbs: ``receive_data``
and ``receive_eof`` take what came, ``events`` tells what it means, ``send`` checks a packet and returns its
bytes, ``closed`` tells that the conversation is over. A fault raises RemoteProtocolError (theirs) or
LocalProtocolError (ours), and nothing else. There is no socket here, and the daemon itself does not decode
what it only relays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.codes import VERSION_PROTOCOL, Action, Command, Protocol, Reply
from postmill.wire.optneg import read_offer
from postmill.wire.packets import (
    BodyEob,
    CommandPacket,
    Continue,
    OptNeg,
    ReplyPacket,
    decode_command,
    decode_reply,
    encode,
)
from postmill.wire.role import Role
from postmill.wire.sequence import Stage
from postmill.wire.tables import (
    ACTION_NEEDED,
    ALLOWED_REPLIES,
    EVENTS,
    EVERY_COMMAND,
    VERDICTS,
)

_NEEDED = {letter: int(flag) for letter, flag in ACTION_NEEDED.items()}
"""As plain numbers: they are looked at for every packet, and a flag takes ten times as long."""
_REFUSALS = frozenset({Reply.REJECT, Reply.TEMPFAIL, Reply.REPLYCODE})
_NEVER_SENT = frozenset({Reply.SHUTDOWN, Reply.CONN_FAIL, Reply.SETSYMLIST})
_SESSION_EVENTS = frozenset({Command.CONNECT, Command.HELO})
_CONTENT_EVENTS = frozenset({Command.HEADER, Command.EOH, Command.BODY})
_SKIPPABLE = frozenset({Command.RCPT, Command.HEADER, Command.BODY, Command.UNKNOWN})
_CONTINUE = Continue()
_CONTINUE_BYTES = encode(_CONTINUE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply of the filter, and the letter of the command that it answers."""

    command: int
    reply: ReplyPacket

    @property
    def final(self) -> bool:
        """Whether this ends the wait for that command."""
        return self.reply.letter in VERDICTS or self.reply.letter == Reply.OPTNEG


class MtaRole(Role):
    """We are the MTA, the peer is a filter. Commands may be sent ahead of the answers."""

    def __init__(self) -> None:
        super().__init__(strict=True)
        self.offer: OptNeg | None = None
        self.answer: OptNeg | None = None
        self._skipped: set[int] = set()
        self._burst_broken = False

    def wants(self, letter: int) -> bool:
        """Whether the filter wants this command: not switched off, not skipped, known to its version."""
        return letter not in self._unwanted and letter not in self._skipped

    def answers(self, letter: int) -> bool:
        """Whether the filter will answer this command."""
        return letter not in self._unanswered

    def send(self, packet: CommandPacket) -> bytes:
        """Return the bytes of a command; raises LocalProtocolError if it has no place here."""
        self._check_open()
        letter = packet.letter
        if isinstance(packet, OptNeg):
            self._check_offer(packet)
        elif letter not in ALLOWED_REPLIES:
            raise LocalProtocolError(f"an MTA does not send {chr(letter)!r}")
        elif self.answer is None:
            raise LocalProtocolError("the negotiation is not complete")
        elif self._burst_broken and letter not in (Command.ABORT, Command.QUIT):
            raise LocalProtocolError("a final verdict came in the middle of a burst: the link is spent")
        problem = self._sequence.problem(letter)
        if not problem and letter != Command.OPTNEG and not self.wants(letter):
            problem = f"the filter does not want {Command(letter).name}"
        if isinstance(packet, BodyEob) and packet.data:
            problem = "body data in BODYEOB is lost on many filters: send it as BODY"
        if problem:
            raise LocalProtocolError(problem)
        data = encode(packet)
        self._forget_skips(letter)
        self._sequence.advance(letter)
        self._await_answer(letter)
        if isinstance(packet, OptNeg):
            self.offer = packet
        return data

    def events(self) -> Iterator[Answer]:
        """Yield what the filter answered; raises RemoteProtocolError where it went wrong."""
        try:
            while (packet := self._next()) is not None:
                answer = self._read(packet[0], decode_reply(*packet))
                if answer is not None:
                    yield answer
            if self._eof and self._awaiting and not (self._burst_broken or self._failed):
                raise RemoteProtocolError(f"the filter closed with {len(self._awaiting)} answers due")
        except RemoteProtocolError:
            self._fail()
            raise

    def _check_offer(self, offer: OptNeg) -> None:
        if offer.version not in VERSION_PROTOCOL:
            raise LocalProtocolError(f"there is no version {offer.version}")
        if offer.symlists:
            raise LocalProtocolError("an offer has no symbol lists")

    def _forget_skips(self, letter: int) -> None:
        if letter in EVENTS:
            self._skipped -= {Command.RCPT, Command.UNKNOWN}
        if letter in (Command.MAIL, Command.ABORT, Command.BODYEOB):
            self._skipped.clear()

    def _read(self, letter: int, reply: ReplyPacket) -> Answer | None:
        if not self._awaiting:
            raise RemoteProtocolError(f"{Reply(letter).name} although no answer is due")
        command, message = self._awaiting[0]
        if letter not in ALLOWED_REPLIES[command]:
            raise RemoteProtocolError(f"{Reply(letter).name} is no answer to {Command(command).name}")
        if letter in VERDICTS or letter == Reply.OPTNEG:
            self._awaiting.popleft()
        if self._burst_broken:
            return None
        if isinstance(reply, OptNeg):
            self._negotiated(reply)
        elif letter in VERDICTS:
            self._apply(command, message, letter)
        return Answer(command, reply)

    def _negotiated(self, answer: OptNeg) -> None:
        offer = self.offer
        if offer is None or answer.version > offer.version:
            raise RemoteProtocolError(
                f"the filter answered version {answer.version}, more than it was offered"
            )
        if answer.actions & ~offer.actions:
            raise RemoteProtocolError(f"the filter wants actions it was not offered: {answer.actions:#x}")
        self.answer = answer
        # Postfix takes a version below 2 for a slip and leaves nothing out (protocol §4.4).
        version = answer.version if answer.version >= 2 else offer.version
        self._agreed(version, int(answer.protocol & offer.protocol))

    def _apply(self, command: int, message: int, verdict: int) -> None:
        if verdict == Reply.SKIP:
            self._skip(command, message)
            return
        if verdict == Reply.SHUTDOWN or (
            command in _SESSION_EVENTS and verdict in _REFUSALS | {Reply.ACCEPT}
        ):
            self._sequence.stop_session()
        elif not _ends_message(command, verdict) or command == Command.BODYEOB:
            return
        elif message == self._sequence.message and self._sequence.stage > Stage.IDLE:
            self._sequence.stop_message()
        self._burst_broken = bool(self._awaiting)

    def _skip(self, command: int, message: int) -> None:
        """Take note of a SKIP, unless what it is about has gone by in a burst (protocol §3.2)."""
        sequence = self._sequence
        same_message = message == sequence.message and sequence.in_message
        if command in _SKIPPABLE and (same_message or not self._awaiting):
            self._skipped.add(command)


def _ends_message(command: int, verdict: int) -> bool:
    """Whether the filter is out of the message with this verdict (protocol §6.3 to §6.7)."""
    if command in _SESSION_EVENTS:
        return False
    if verdict in (Reply.ACCEPT, Reply.DISCARD):
        return True
    return verdict in _REFUSALS and (command == Command.MAIL or command in _CONTENT_EVENTS)


class FilterRole(Role):
    """We are the filter, the peer is an MTA. Answers go to the oldest command that waits for one."""

    def __init__(self) -> None:
        super().__init__(strict=False)
        self.offer: OptNeg | None = None
        self.answer: OptNeg | None = None

    def events(self) -> Iterator[CommandPacket]:
        """Yield what the MTA said; raises RemoteProtocolError where it went wrong."""
        while (packet := self.next_packet()) is not None:
            try:
                decoded = decode_command(*packet)
            except RemoteProtocolError:
                self._fail()
                raise
            yield decoded

    def next_packet(self) -> tuple[int, bytes] | None:
        """Return letter and payload, for who does not need a value of each; otherwise like ``events``."""
        sequence = self._sequence
        try:
            packet = self._next()
            if packet is None:
                return None
            letter, payload = packet
            if letter not in sequence.plain[sequence.stage]:
                self._check(letter, payload)
        except RemoteProtocolError:
            self._fail()
            raise
        sequence.advance(letter)
        self._await_answer(letter)
        return packet

    def agree(self, offer: OptNeg, answer: OptNeg) -> None:
        """Take the negotiation as done; raises LocalProtocolError for an answer that has no place here."""
        self.offer = offer
        self._check_answer(answer)
        self._sequence.advance(Command.OPTNEG)
        self._answered_offer(answer)

    def send(self, packet: ReplyPacket) -> bytes:
        """Return the bytes of a reply; raises LocalProtocolError if it has no place here."""
        self._check_open()
        letter = packet.letter
        if not self._awaiting:
            raise LocalProtocolError("no answer is due")
        command = self._awaiting[0][0]
        if letter not in ALLOWED_REPLIES[command] or letter in _NEVER_SENT:
            raise LocalProtocolError(f"{chr(letter)!r} is no answer to {Command(command).name}")
        if isinstance(packet, OptNeg):
            self._check_answer(packet)
        else:
            self._check_reply(command, letter)
        data = encode(packet)
        if letter in VERDICTS or letter == Reply.OPTNEG:
            _command, message = self._awaiting.popleft()
            if (
                _ends_message(command, letter)
                and message == self._sequence.message
                and self._sequence.in_message
            ):
                self._sequence.stop_message()
        if isinstance(packet, OptNeg):
            self._answered_offer(packet)
        return data

    def _answered_offer(self, answer: OptNeg) -> None:
        self.answer = answer
        self._agreed(answer.version, int(answer.protocol))

    def proceed(self) -> bytes:
        """Return the bytes of CONTINUE, which is the answer to most; otherwise like ``send``."""
        if self.closed or self.answer is None or not self._awaiting:
            return self.send(_CONTINUE)
        self._awaiting.popleft()
        return _CONTINUE_BYTES

    def _check(self, letter: int, payload: bytes) -> None:
        """Refuse a command that may not come now, and take note of an offer."""
        offer = None
        if letter not in EVERY_COMMAND:
            decode_command(letter, payload)  # says so
        elif letter == Command.OPTNEG:
            offer = read_offer(payload)
            if offer.version < min(VERSION_PROTOCOL):
                raise RemoteProtocolError(f"the MTA speaks version {offer.version}, which is too old")
        elif self.answer is None:
            raise RemoteProtocolError(f"{Command(letter).name} before the negotiation was complete")
        problem = self._sequence.problem(letter)
        if not problem and letter in self._unwanted and letter in EVENTS:
            problem = f"{Command(letter).name} was negotiated away"
        if problem:
            raise RemoteProtocolError(problem)
        if offer is not None:
            self.offer = offer

    def _check_answer(self, answer: OptNeg) -> None:
        offer = self.offer
        if offer is None or not min(VERSION_PROTOCOL) <= answer.version <= offer.version:
            raise LocalProtocolError(f"version {answer.version} was not offered")
        if answer.actions & ~offer.actions or answer.protocol & ~offer.protocol:
            raise LocalProtocolError("the answer has flags that were not offered")
        if answer.symlists and not offer.actions & Action.SETSYMLIST:
            raise LocalProtocolError("symbol lists were not offered")

    def _check_reply(self, command: int, letter: int) -> None:
        answer = self.answer
        if answer is None:
            raise LocalProtocolError("the negotiation is not complete")
        if _NEEDED.get(letter, 0) & ~answer.actions:
            raise LocalProtocolError(f"{Reply(letter).name} was not negotiated")
        if letter == Reply.SKIP and not answer.protocol & Protocol.SKIP:
            raise LocalProtocolError("SKIP was not negotiated")
        if letter == Reply.QUARANTINE and command != Command.BODYEOB:
            raise LocalProtocolError("QUARANTINE belongs to the end of the message")
        if (
            command == Command.UNKNOWN
            and letter in (Reply.ACCEPT, Reply.DISCARD)
            and not self._sequence.in_message
        ):
            raise LocalProtocolError(f"{Reply(letter).name} to UNKNOWN outside a message harms Postfix")
