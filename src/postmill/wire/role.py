"""What both ends of a milter connection share (``wire.states``): what came in, what is owed, the end."""

from __future__ import annotations

from collections import deque
from functools import lru_cache

from postmill.errors import LocalProtocolError, RemoteProtocolError
from postmill.wire.framing import FrameReader
from postmill.wire.sequence import AGREEMENTS, Sequence, Stage, unwanted_by
from postmill.wire.tables import NEVER_ANSWERED, NR_FLAG

_NR = {letter: int(flag) for letter, flag in NR_FLAG.items()}
"""As plain numbers: a flag takes ten times as long."""


@lru_cache(AGREEMENTS)
def _unanswered(protocol: int) -> frozenset[int]:
    """Return the commands that are not answered after this negotiation (protocol §4.2)."""
    return NEVER_ANSWERED | {letter for letter, flag in _NR.items() if protocol & flag}


class Role:
    """What both roles share: the bytes that came in, and the end of the conversation."""

    def __init__(self, *, strict: bool) -> None:
        self._reader = FrameReader()
        self._received: deque[tuple[int, bytes]] = deque()
        self._framing_fault: RemoteProtocolError | None = None
        self._eof = False
        self._failed = False
        self._sequence = Sequence(strict=strict)
        self._unwanted, self._unanswered = unwanted_by(0, 0), _unanswered(0)
        self._awaiting: deque[tuple[int, int]] = deque()

    @property
    def awaiting(self) -> tuple[int, ...]:
        """Letters of the commands that are not answered yet, the oldest first."""
        return tuple(letter for letter, _message in self._awaiting)

    @property
    def owes(self) -> bool:
        """Whether a command is not answered yet."""
        return bool(self._awaiting)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be sent: QUIT, end of the stream, or a fault of the peer."""
        return self._failed or self._eof or self._sequence.stage is Stage.ENDED

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; what they mean, and what is wrong with them, ``events`` tells."""
        if self._failed:
            return
        try:
            self._received.extend(self._reader.feed(data))
            if self._reader.pending >= 4:
                self._received.extend(self._reader.feed(b""))  # a bad length behind good packets
        except RemoteProtocolError as fault:
            self._framing_fault = fault

    def receive_eof(self) -> None:
        """Take note that the peer will send nothing more."""
        self._eof = True

    def _next(self) -> tuple[int, bytes] | None:
        """Return the next packet, or None; raises RemoteProtocolError for what is wrong behind the last."""
        if self._received:
            return self._received.popleft()
        if self._framing_fault is not None:
            raise self._framing_fault
        if self._eof and not self._failed:
            self._reader.finish()
        return None

    def _fail(self) -> None:
        """Hear nothing more: what follows a fault has no meaning that one could rely on."""
        self._failed = True
        self._framing_fault = None
        self._received.clear()

    def _check_open(self) -> None:
        if self.closed:
            raise LocalProtocolError("the conversation is over")

    def _agreed(self, version: int, protocol: int) -> None:
        """The negotiation is over."""
        self._sequence.agreed(version, protocol)
        self._unwanted, self._unanswered = unwanted_by(version, protocol), _unanswered(protocol)

    def _await_answer(self, letter: int) -> None:
        """Take note that a command was sent, if it is one that is answered."""
        if letter not in self._unanswered:
            self._awaiting.append((letter, self._sequence.message))
