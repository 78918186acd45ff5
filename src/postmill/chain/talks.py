"""The conversations a link can carry: negotiation, one event, the content of a message.

Each is a small state machine over reply packets; protocol §3 (what may be answered), §6.7 (content),
§10.2 (what a child may get wrong). What an answer means for the chain does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from postmill.chain.negotiation import Negotiations, Offer
from postmill.chain.steps import Answered, Edit, Window
from postmill.errors import RemoteConfigError, RemoteProtocolError
from postmill.mail.reply import check_reply_text
from postmill.wire.codes import Command, Reply
from postmill.wire.packets import AddHeader, ChangeHeader, InsertHeader, OptNeg, decode_reply, encode
from postmill.wire.tables import EDITS, VERDICTS

_CONTINUE = int(Reply.CONTINUE)
_PROGRESS = int(Reply.PROGRESS)
_QUARANTINE = int(Reply.QUARANTINE)
_REPLYCODE = int(Reply.REPLYCODE)
_SKIP = int(Reply.SKIP)
_REPLBODY = int(Reply.REPLBODY)
_BODYEOB = int(Command.BODYEOB)
_FINAL = frozenset(map(int, VERDICTS)) - {_CONTINUE, _SKIP}
_EDITS = frozenset(map(int, EDITS))
_HEADER_EDITS = (AddHeader, InsertHeader, ChangeHeader)
TextCheck = Callable[[bytes], bytes]
_MOST_HEADER = 60000
"""Postfix cuts header values at this many bytes (protocol §1.2)."""


def _reason(payload: bytes) -> bytes:
    return payload.partition(b"\0")[0]


def _unexpected(letter: int, stage: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"reply {bytes((letter,))!r} is not allowed at {chr(stage)}")


class NegotiateTalk:
    """OPTNEG out, OPTNEG back (protocol §4); the answer is left in ``answer``.

    A child whose answer is known can be told its first event in the same breath: ``then`` is that
    conversation. Should it answer otherwise than ``expected``, the event was told in vain (``surprised``).
    """

    __slots__ = (
        "_negotiations",
        "answer",
        "due",
        "expected",
        "offer",
        "outcome",
        "stage",
        "surprised",
        "then",
        "timeout",
    )

    def __init__(
        self,
        offer: Offer,
        negotiations: Negotiations,
        timeout: float,
        expected: OptNeg | None = None,
        then: EventTalk | None = None,
    ) -> None:
        """Offer ``offer``; the child may take ``timeout`` seconds."""
        self.offer = offer
        self._negotiations = negotiations
        self.timeout = timeout
        self.expected = expected
        self.then = then
        self.due = 1 if then is None else 2
        self.stage = int(Command.OPTNEG)
        self.outcome: Answered | None = None
        self.answer: OptNeg | None = None
        self.surprised = False

    def again(self) -> NegotiateTalk:
        """Return the same negotiation, to be done anew on another link."""
        return NegotiateTalk(self.offer, self._negotiations, self.timeout)

    def start(self) -> bytes:
        """Return the offer if it is not answered yet, and the first event if there is one."""
        offer = self.offer.packet if self.answer is None else b""
        return offer if self.then is None else offer + self.then.start()

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take the answer; protocol §4.4 says what makes it an error."""
        if self.answer is not None and self.then is not None:
            self.then.receive(letter, payload)
            self.outcome, self.due = self.then.outcome, self.then.due
            return b""
        if letter != Reply.OPTNEG:
            raise _unexpected(letter, self.stage)
        answer = self._negotiations.decode_answer(payload)
        offered = self.offer.to_children
        if answer.version > offered.version:
            raise RemoteProtocolError(f"version {answer.version} was not offered")
        if answer.actions & ~offered.actions:
            raise RemoteProtocolError(f"actions {answer.actions:#x} were not all offered")
        self.take(answer)
        return b""

    def take(self, answer: OptNeg) -> None:
        """Take the answer as a value, from a child that need not be asked."""
        self.answer = answer
        self.surprised = self.then is not None and answer is not self.expected
        if self.then is None or self.surprised:
            self.due = 0
            self.outcome = Answered(_CONTINUE, self.stage)
        else:
            self.due = 1
            self.stage = self.then.stage

    def continued(self, count: int) -> bytes:
        """Take CONTINUE: it can only be the answer to the event that was told with the offer."""
        for _ in range(count):
            self.receive(_CONTINUE, b"")
        return b""

    def lost_edits(self) -> tuple[Edit, ...]:
        """Nothing was edited."""
        return ()


class EventTalk:
    """One event and its verdict: CONNECT, HELO, MAIL, RCPT, DATA, UNKNOWN."""

    __slots__ = ("_check", "data", "due", "hold", "outcome", "stage", "timeout")

    def __init__(self, stage: int, data: bytes, timeout: float, check: TextCheck = check_reply_text) -> None:
        """Write ``data`` (macros and event) and wait ``timeout`` seconds for each packet.

        ``check`` takes the payload of a REPLYCODE and returns its text, or raises RemoteConfigError.
        """
        self.stage = stage
        self.data = data
        self.timeout = timeout
        self._check = check
        self.due = 1
        self.hold: bytes | None = None
        self.outcome: Answered | None = None

    def start(self) -> bytes:
        """Return macros and event."""
        return self.data

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take one packet of the answer (protocol §3.2)."""
        if letter == _PROGRESS:
            return b""
        if letter == _QUARANTINE:
            self.hold = _reason(payload)
            return b""
        if letter in _FINAL or letter in (_CONTINUE, _SKIP):
            self._finish(letter, self._check(payload) if letter == _REPLYCODE else b"")
            return b""
        raise _unexpected(letter, self.stage)

    def continued(self, count: int) -> bytes:
        """Take CONTINUE, which comes once."""
        self._finish(_CONTINUE, b"")
        return b""

    def _finish(self, letter: int, text: bytes) -> None:
        answer = Answered(letter, self.stage, text)
        answer.hold = self.hold
        self.due = 0
        self.outcome = answer

    def lost_edits(self) -> tuple[Edit, ...]:
        """Nothing was edited."""
        return ()


class ContentTalk:
    """Headers, end of headers, body and end of message, then edits and the verdict (protocol §6.7).

    The message comes in windows: what is written at once, and the events in it that will be answered. A final
    verdict before the last of a window makes the link useless for another message.
    """

    __slots__ = (
        "_at",
        "_awaited",
        "_check",
        "_edits",
        "_hold",
        "_hold_ends",
        "_skipped",
        "_split_body",
        "_windows",
        "due",
        "outcome",
        "stage",
        "timeout",
    )

    def __init__(
        self,
        windows: Iterable[Window],
        timeout: float,
        check: TextCheck = check_reply_text,
        *,
        split_body: bool = False,
        hold_ends: bool = False,
    ) -> None:
        """Write ``windows``, END OF BODY last; the child may be silent for ``timeout`` seconds.

        ``split_body`` lets other edits come between the parts of a new body, as Sendmail does; ``hold_ends``
        tells a child nothing more of a message that it quarantined, as Postfix does (protocol §3.5).
        """
        self._hold_ends = hold_ends
        self._check = check
        self._split_body = split_body
        self._windows = iter(windows)
        self._awaited: tuple[int, ...] = ()
        self._at = 0
        """Position in the window of the event whose answer comes next."""
        self._edits: list[Edit] = []
        self._hold: bytes | None = None
        self._skipped = 0
        self.timeout = timeout
        self.due = 0
        self.stage = 0
        self.outcome: Answered | None = None

    def start(self) -> bytes:
        """Return the first window."""
        return self._more()

    def _more(self) -> bytes:
        """Return the next window that is not all of what the child does without."""
        for data, awaited in self._windows:
            if awaited[0] == awaited[-1] == self._skipped:
                continue
            self._awaited = awaited
            self._at = 0
            self.due = len(awaited)
            self.stage = awaited[0]
            return data
        raise AssertionError("the end of the message is always answered")

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take one packet of the answer to the packet that waits longest."""
        if letter == _CONTINUE:
            return self._continued()
        if letter == _PROGRESS:
            return b""
        if letter == _QUARANTINE:
            self._hold = _reason(payload)
            return b""
        if letter == _SKIP:
            self._skipped = self.stage if self.stage in (Command.HEADER, Command.BODY) else 0
            return self._continued()
        if letter in _FINAL:
            self._finish(letter, self._check(payload) if letter == _REPLYCODE else b"")
            return b""
        if letter in _EDITS and self.stage == _BODYEOB:
            self._edit(letter, payload)
            return b""
        raise _unexpected(letter, self.stage)

    def _continued(self) -> bytes:
        if self.stage == _BODYEOB or (self._hold_ends and self._hold is not None):
            self._finish(_CONTINUE, b"")
            return b""
        self.due -= 1
        if self.due:
            self._at += 1
            self.stage = self._awaited[self._at]
            return b""
        return self._more()

    def _finish(self, letter: int, text: bytes) -> None:
        answer = Answered(letter, self.stage, text)
        answer.hold = self._hold
        answer.edits = tuple(self._edits)
        self.due -= 1
        answer.closing = self.due > 0
        self.outcome = answer

    def _edit(self, letter: int, payload: bytes) -> None:
        """Keep one edit, checked and in the form that is safe to pass on (protocol §10.2)."""
        if letter == _REPLBODY:
            if not self._split_body and self._edits and self._edits[-1][0] != _REPLBODY and self._replaces():
                raise RemoteConfigError("body replacement mixed with other edits")
            self._edits.append((letter, payload))
            return
        packet = decode_reply(letter, payload)
        if isinstance(packet, _HEADER_EDITS) and len(packet.value) > _MOST_HEADER:
            payload = encode(_cut(packet))[5:]
        self._edits.append((letter, payload))

    def _replaces(self) -> bool:
        return any(letter == _REPLBODY for letter, _ in self._edits)

    def continued(self, count: int) -> bytes:
        """Take CONTINUE ``count`` times: what ``receive`` would make of each, at the price of one."""
        self._at += count - 1
        self.due -= count - 1
        self.stage = self._awaited[self._at]
        return self._continued()

    def lost_edits(self) -> tuple[Edit, ...]:
        """Return what came before the loss, without a body that may be half a body (protocol §9.4)."""
        return tuple(edit for edit in self._edits if edit[0] != _REPLBODY)


def _cut(packet: AddHeader | InsertHeader | ChangeHeader) -> AddHeader | InsertHeader | ChangeHeader:
    value = packet.value[:_MOST_HEADER]
    if isinstance(packet, AddHeader):
        return AddHeader(packet.name, value)
    return type(packet)(packet.index, packet.name, value)
