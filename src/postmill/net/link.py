"""A link to one child: connects, carries one conversation at a time, notices what nobody asked for.

The conversation itself (``chain.talks``) knows what the packets mean; here are the socket, the counting of
replies that are owed, and the deadline. A link that failed says so to the next question (protocol §6.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from postmill.chain.steps import Answered, Lost, Outcome, Talk
from postmill.chain.talks import EventTalk, NegotiateTalk
from postmill.errors import RemoteConfigError, RemoteProtocolError
from postmill.net.probe import ProbeTalk
from postmill.net.reopening import Reopening
from postmill.wire.codes import Command, Reply
from postmill.wire.framing import FrameReader, frame
from postmill.wire.tables import VERDICTS

if TYPE_CHECKING:
    from postmill.net.children import ChildService

_ANSWERS = frozenset((*map(int, VERDICTS), int(Reply.OPTNEG)))
"""Replies that end the wait for one question; all others come beside them."""
_QUIT = frame(Command.QUIT)
_CONNECT = int(Command.CONNECT)
_CONTINUES = {frame(Reply.CONTINUE) * count: count for count in range(1, 64)}
"""What most reads bring, to how many replies that is."""
_NEVER = float("inf")


class Pipe(Protocol):
    """What carries the bytes: ``Stream``, or for a milter in this process ``FilterStream``."""

    open: bool
    because: str
    """Why the last verdict is what it is, for the log, if that is known."""

    def write(self, data: bytes) -> None:
        """Send."""

    def close(self, farewell: bytes = b"") -> None:
        """End, with some last packets if it is still open."""


class Waiter(Protocol):
    """Who waits for the outcome of a conversation."""

    def wake(self, link: ChildLink) -> None:
        """The outcome is there."""


class ChildLink:
    """One connection to a child, used by one session at a time."""

    __slots__ = (
        "_reader",
        "_service",
        "_stream",
        "deadline",
        "failed",
        "greeting",
        "last",
        "negotiated",
        "on_trial",
        "outcome",
        "owed",
        "started",
        "talk",
        "trial_decisive",
        "unsent",
        "untested",
        "waiter",
    )

    def __init__(self, service: ChildService) -> None:
        """Be a link to this child, not connected yet."""
        self._service = service
        self._reader = FrameReader()
        self._stream: Pipe | None = None
        self.talk: Talk | None = None
        self.outcome: Outcome | None = None
        self.failed: Lost | None = None
        self.owed = 0
        """Verdicts still to come for conversations that were called off."""
        self.waiter: Waiter | None = None
        self.deadline = _NEVER
        """When the child counts as lost if nothing is heard of it."""
        self.started = 0.0
        self.unsent: list[bytes] = []
        """What is to be written once the connection stands."""
        self.negotiated: NegotiateTalk | None = None
        """The negotiation, when it is over; a kept link has one already (protocol §6.8)."""
        self.last = 0
        """Letter of the last verdict."""
        self.greeting = b""
        """CONNECT as it was told, where links may be kept."""
        self.untested = False
        """It was kept, and the child has not said anything since."""
        self.on_trial = self.trial_decisive = False
        """It serves to find out whether links can be kept; and that has been found out."""

    # -- what the session does ------------------------------------------------------------------------

    def begin(self, talk: Talk) -> None:
        """Begin a conversation; its outcome is given to whoever awaits it."""
        self.outcome = None
        self.talk = talk
        now = self.started = self._service.now()
        if self.failed is not None:
            if self.untested:  # it was closed while it was idle
                self._reopen(talk)
            else:
                self._finish(self.failed)
            return
        if isinstance(talk, NegotiateTalk):
            self._recall(talk)
            if talk.outcome is not None:
                self._finish(talk.outcome)
                return
        elif self._service.pool is not None and isinstance(talk, EventTalk) and talk.stage == _CONNECT:
            self.greeting = talk.data
        if self._stream is not None:
            self.deadline = now + talk.timeout
        try:
            data = talk.start()
        except (OSError, EOFError) as error:
            self.fail("spool", str(error))
        else:
            self.write(data)

    def _recall(self, talk: NegotiateTalk) -> None:
        """Let a kept link, which has negotiated, answer from memory: OPTNEG comes once (protocol §6.8)."""
        if self._service.pool is None:
            return
        earlier, self.negotiated = self.negotiated, talk
        if earlier is None:
            return
        if earlier.offer is not talk.offer:  # this MTA offers something else
            self._renew(_QUIT)
            self._service.connect(self)
            return
        assert earlier.answer is not None
        talk.take(earlier.answer)

    def _renew(self, farewell: bytes) -> None:
        """Forget a connection that was kept; there will be another one."""
        if self._stream is not None:
            self._stream.close(farewell)
        self._stream = None
        self._reader = FrameReader()
        self.failed = None
        self.untested = False

    def _reopen(self, talk: Talk) -> None:
        """Do as if the link had not been kept, for one that the child closed before it could be of use."""
        assert self.negotiated is not None
        self._renew(b"")
        self.talk = Reopening(self.negotiated, talk)
        self.unsent = [self.talk.start()]
        self._service.connect(self)

    def write(self, data: bytes) -> None:
        """Write packets, now or as soon as the connection stands."""
        if self._stream is not None:
            self._stream.write(data)
        elif self.failed is None and data:
            self.unsent.append(data)

    def cancel(self) -> None:
        """Give up the conversation: its outstanding replies are swallowed when they come."""
        if self.talk is not None:
            self.owed += self.talk.due
            self.talk = None
            self.deadline = _NEVER
        self.outcome = None
        self.waiter = None

    def close(self, farewell: bytes, reuse: bool) -> None:
        """Give the link up; ``reuse`` hands it to the pool of its child if that wants it."""
        self.cancel()
        stream = self._stream
        if stream is None or not stream.open:
            self._service.closed(self)
            return
        if reuse and not self.owed and not self._reader.pending and self._service.keep(self):
            return
        self.drop(farewell)

    def retire(self) -> None:
        """Say goodbye to a child whose link was kept and is not wanted any more."""
        self.drop(_QUIT)

    def drop(self, farewell: bytes = b"") -> None:
        """Close, without a word if none is given."""
        if self._stream is not None:
            self._stream.close(farewell)
        self._service.closed(self)

    # -- what the world does --------------------------------------------------------------------------

    def connected(self, stream: Pipe) -> None:
        """The connection stands: write what was waiting for it."""
        self._stream = stream
        self.deadline = _NEVER if self.talk is None else self._service.now() + self.talk.timeout
        data = b"".join(self.unsent)
        self.unsent.clear()
        self._stream.write(data)

    def fail(self, kind: str, text: str) -> None:
        """The child cannot be asked any more: tell who waits, or the next one who asks."""
        if self.failed is not None:
            return
        lost = self.failed = Lost(kind, text)
        if self._stream is not None:
            self._stream.close()
        self.unsent.clear()
        if kind in ("connect", "closed") and not self.on_trial:
            self._service.gone()
        if self.untested and self._saved(lost):
            return
        if (self.talk is not None or kind == "connect") and not self.on_trial:
            self._service.failed(lost)
        if self.talk is not None:
            lost.stage = self.talk.stage
            lost.edits = self.talk.lost_edits()
            self._finish(lost)
        self._service.closed(self)

    def _saved(self, lost: Lost) -> bool:
        """Tell whether a kept link that is lost before it was of use can be replaced by a new one."""
        if lost.kind != "closed":
            self.untested = False
            self._service.distrust(lost)
            return False
        if self.talk is not None:
            self._reopen(self.talk)
        return True

    def timed_out(self) -> None:
        """The deadline passed."""
        if self._stream is None:
            self.fail("connect", "no connection within the connect time-out")
        else:
            stage = chr(self.talk.stage) if self.talk is not None and self.talk.stage else "?"
            self.fail("timeout", f"no answer to {stage} in time")

    def ended(self, reason: str) -> None:
        """The child closed the connection."""
        self.fail("closed", f"connection {reason}")

    def data(self, data: bytes) -> None:
        """The child said something."""
        talk, count = self.talk, _CONTINUES.get(data)
        try:
            if count and talk is not None and not self.owed and not self._reader.pending:
                self._continues(talk, count)
            else:
                self._packets(data)
        except RemoteConfigError as error:
            self.fail("config", str(error))
        except RemoteProtocolError as error:
            self.fail("protocol", str(error))
        except (OSError, EOFError) as error:
            self.fail("spool", str(error))

    def _continues(self, talk: Talk, count: int) -> None:
        """Take nothing but CONTINUE, as most reads are: nothing is cut, nor timed more than once."""
        if count > talk.due:
            raise RemoteProtocolError("more replies than questions")
        more = talk.continued(count)
        if more and self._stream is not None:
            self._stream.write(more)
        self._received(talk)

    def _packets(self, data: bytes) -> None:
        packets = self._reader.feed(data)
        if len(packets) > 1:
            self._check_surplus(packets)
        for letter, payload in packets:
            self._packet(letter, payload)
            if self.failed is not None:
                return

    def _check_surplus(self, packets: list[tuple[int, bytes]]) -> None:
        """Refuse a verdict that came before its question was put (protocol §6.9)."""
        due = self.owed + (self.talk.due if self.talk is not None else 0)
        if sum(letter in _ANSWERS for letter, _ in packets) > due:
            raise RemoteProtocolError("more replies than questions")

    def _packet(self, letter: int, payload: bytes) -> None:
        if self.owed:
            self.owed -= letter in _ANSWERS
            return
        talk = self.talk
        if talk is None:
            raise RemoteProtocolError(f"{bytes((letter,))!r} although nothing was asked")
        more = talk.receive(letter, payload)
        if more and self._stream is not None:
            self._stream.write(more)
        self._received(talk)

    def _received(self, talk: Talk) -> None:
        """The child said something: it has its time anew, or is done."""
        self.untested = False
        outcome, service = talk.outcome, self._service
        if outcome is None:
            self.deadline = service.now() + talk.timeout
            return
        self.owed = talk.due
        self.last = outcome.letter
        if self._stream is not None and self._stream.because:
            outcome.because, self._stream.because = self._stream.because, ""
        if service.breaker.troubled:
            service.answered()
        self._finish(outcome)

    def _finish(self, outcome: Answered | Lost) -> None:
        outcome.elapsed = self._service.now() - self.started
        if self.on_trial and isinstance(self.talk, ProbeTalk):
            self.trial_decisive = self.talk.decisive
        self.talk = None
        self.deadline = _NEVER
        self.outcome = outcome
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            waiter.wake(self)
