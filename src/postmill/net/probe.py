"""Finding out whether a child honours QUIT_NC (protocol §6.8), before any of its links is kept.

libmilter does, right after CONTINUE at the end of a message or after UNKNOWN; others close, or fall silent
at the next CONNECT, or say more than they were asked. So ``O C U K C Q`` is said once on a link of its own:
all must be answered, and nothing come behind the last answer but the end of the connection.
"""

from __future__ import annotations

from collections.abc import Mapping

from postmill.chain.steps import Answered, Edit, Lost, Outcome
from postmill.errors import RemoteProtocolError
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, VERSION, Command, Reply
from postmill.wire.framing import frame
from postmill.wire.packets import OptNeg, encode
from postmill.wire.tables import NR_FLAG

_UNANSWERED = sum({int(flag) for flag in NR_FLAG.values()})
_OFFER = encode(OptNeg(VERSION, int(ALL_ACTIONS), int(ALL_PROTOCOL) & ~_UNANSWERED, ()))
UNKNOWN = frame(Command.UNKNOWN, b"XPROBE\0")
"""An SMTP command that no MTA knows, after which libmilter listens to QUIT_NC."""
_QUIT_NC = frame(Command.QUIT_NC)
_QUIT = frame(Command.QUIT)
LOCAL = frame(Command.CONNECT, b"localhost\x004\0\x00127.0.0.1\0")
"""What a child hears that never wanted to hear of a connection."""
_GO_ON: Mapping[int, tuple[Reply, ...]] = {
    Command.OPTNEG: (Reply.OPTNEG,),
    Command.CONNECT: (Reply.CONTINUE,),
    Command.UNKNOWN: (Reply.CONTINUE, Reply.SKIP, Reply.REJECT, Reply.TEMPFAIL, Reply.REPLYCODE),
    Command.QUIT: (),
}


def passed(outcome: Outcome | None) -> bool:
    """Tell by how a trial ended whether the child honours QUIT_NC: it said nothing more until it was left."""
    return (
        isinstance(outcome, Lost) and outcome.stage == Command.QUIT and outcome.kind in ("closed", "timeout")
    )


class ProbeTalk:
    """``O C U K C Q``, one after the other; ``decisive`` once the child has heard QUIT_NC.

    It has no outcome of its own: it ends with the connection (``passed``).
    """

    def __init__(self, connect: bytes, timeout: float) -> None:
        """Say ``connect``, complete packets to which the child said CONTINUE before."""
        self._next = [
            (Command.CONNECT, connect),
            (Command.UNKNOWN, UNKNOWN),
            (Command.CONNECT, _QUIT_NC + connect),
        ]
        self.timeout = timeout
        self.due = 1
        self.stage = int(Command.OPTNEG)
        self.outcome: Answered | None = None
        self.decisive = False

    def start(self) -> bytes:
        """Return an offer in which every event is to be answered."""
        return _OFFER

    def receive(self, letter: int, payload: bytes) -> bytes:
        """Take one answer and return the next command."""
        if letter == Reply.PROGRESS:
            return b""
        if letter not in _GO_ON[self.stage]:
            raise RemoteProtocolError(f"{bytes((letter,))!r} at {chr(self.stage)} of the trial of QUIT_NC")
        if not self._next:
            self.due = 0
            self.stage = int(Command.QUIT)
            return _QUIT
        self.stage, packets = self._next.pop(0)
        self.decisive = not self._next
        return packets

    def continued(self, count: int) -> bytes:
        """Take CONTINUE."""
        return b"".join([self.receive(int(Reply.CONTINUE), b"") for _ in range(count)])

    def lost_edits(self) -> tuple[Edit, ...]:
        """Nothing was edited."""
        return ()
