"""The words between the brain and the shell: commands going out, outcomes coming back.

Commands are imperatives, outcomes are past tense. Only ``Await`` and ``Settle`` wait; every other command is
carried out at once and answers nothing. A fault of the world (child gone, time-out) is a value, never an
exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from postmill.wire.codes import Reply

if TYPE_CHECKING:
    from postmill.chain.child import Child

Edit = tuple[int, bytes]
"""One edit as it came from a child: reply letter and payload, already validated."""

Window = tuple[bytes, tuple[int, ...]]
"""Packets written at once, and the letters of those that will be answered, at least one."""


class Answered:
    """A child gave its verdict for what it was asked."""

    __slots__ = ("because", "closing", "edits", "elapsed", "hold", "letter", "stage", "text")

    def __init__(self, letter: int, stage: int, text: bytes = b"") -> None:
        """Hold verdict letter, the event letter it answers, and for REPLYCODE the checked text."""
        self.letter = letter
        self.stage = stage
        self.text = text
        self.edits: tuple[Edit, ...] = ()
        self.hold: bytes | None = None
        self.because = ""
        """Why, for the log, where a milter of ours says so."""
        self.closing = False
        """The link cannot be used for another message (verdict inside a pipelined burst)."""
        self.elapsed = 0.0
        """Seconds from question to verdict, filled in by the shell."""


class Lost:
    """A child cannot be asked any more on this link.

    ``kind`` is one of connect, busy, breaker, timeout, closed, protocol, config, condition, filter.
    ``config`` means that the child sent something which Postfix calls a configuration error (protocol §7.3),
    ``condition`` that nobody knows if it is to be asked, ``filter`` that a milter of ours could not judge.
    """

    __slots__ = ("edits", "elapsed", "kind", "stage", "text")

    def __init__(self, kind: str, text: str) -> None:
        """Say what happened, for people, in ``text``."""
        self.kind = kind
        self.text = text
        self.stage = 0
        self.elapsed = 0.0
        self.edits: tuple[Edit, ...] = ()


Outcome = Answered | Lost

_WORDS = {
    int(Reply.CONTINUE): "continue",
    int(Reply.ACCEPT): "accept",
    int(Reply.REJECT): "reject",
    int(Reply.TEMPFAIL): "tempfail",
    int(Reply.DISCARD): "discard",
    int(Reply.SKIP): "skip",
    int(Reply.SHUTDOWN): "shutdown",
}


def word_for(letter: int, text: bytes = b"") -> str:
    """Return the word that people read for a verdict; a reply text is what its code means."""
    if letter == Reply.REPLYCODE:
        return "shutdown" if text.startswith(b"421") else "reject" if text.startswith(b"5") else "tempfail"
    return _WORDS.get(letter, chr(letter))


class Talk(Protocol):
    """One conversation on a child's link: some packets out, one outcome back."""

    outcome: Answered | None
    due: int
    """Verdicts the child still owes for what was written."""
    timeout: float
    """Seconds the child may be silent before it counts as lost."""
    stage: int
    """Letter of the event whose answer is awaited."""

    def start(self) -> bytes:
        """Return what to write first."""
        ...

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take one packet, return what to write next; raises RemoteProtocolError."""
        ...

    def continued(self, count: int) -> bytes:
        """Take CONTINUE ``count`` times, at most as often as it is due; the same as ``receive`` each time."""
        ...

    def lost_edits(self) -> tuple[Edit, ...]:
        """Return the edits that came before the child was lost (protocol §9.4)."""
        ...


class Ask:
    """Begin a conversation with a child, connecting to it first when there is no link."""

    __slots__ = ("child", "talk")

    def __init__(self, child: Child, talk: Talk) -> None:
        self.child = child
        self.talk = talk


class Await:
    """Wait for the outcome of the conversation begun with a child; the answer is an Outcome."""

    __slots__ = ("child",)

    def __init__(self, child: Child) -> None:
        self.child = child


class Cancel:
    """Nobody wants the outcome any more; replies still owed are swallowed when they come."""

    __slots__ = ("child",)

    def __init__(self, child: Child) -> None:
        self.child = child


class Tell:
    """Write packets that have no answer (macros of a suppressed event, ABORT)."""

    __slots__ = ("child", "data")

    def __init__(self, child: Child, data: bytes) -> None:
        self.child = child
        self.data = data


class CloseChild:
    """Give up the link to a child: write ``farewell`` first; ``reuse`` lets a pool keep the link instead."""

    __slots__ = ("child", "farewell", "reuse")

    def __init__(self, child: Child, farewell: bytes = b"", reuse: bool = False) -> None:
        self.child = child
        self.farewell = farewell
        self.reuse = reuse


class Settle:
    """Wait for all ``jobs``, for a limited time; ``results`` then holds an answer or exception for each."""

    __slots__ = ("jobs", "results")

    def __init__(self, jobs: tuple[Awaitable[Any], ...]) -> None:
        self.jobs = jobs
        self.results: Sequence[Any] = ()


class Decide:
    """Answer the MTA: complete packets, the verdict last."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


Command = Ask | Await | Cancel | Tell | CloseChild | Settle | Decide
Steps = Generator[Command, Outcome | None, None]
"""What the shell drives: it sends an Outcome into every ``Await`` and None into all else."""
T = TypeVar("T")
Chain = Generator[Command, Outcome | None, T]
"""Part of a brain: yields like Steps and returns a value to the brain that called it."""


class Verdict:
    """What the chain says to one event: a verdict letter, the reply text, and whose it was."""

    __slots__ = ("by", "letter", "text")

    def __init__(self, letter: int, text: bytes = b"", by: str = "") -> None:
        self.letter = letter
        self.text = text
        self.by = by


CONTINUE = Verdict(Reply.CONTINUE)
