"""What came of it: the outcome of one command, of one message, of one session; and how replies are collected.

Here belong results as values and the rules of collecting replies up to the verdict (protocol §3.1, §3.2:
edits only at end of message, PROGRESS and QUARANTINE elsewhere only in Postfix). What to say next is
`conversation`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from postmill.errors import RemoteProtocolError
from postmill.mail.reply import check_reply_text, smtp_text
from postmill.testing.message import Headers
from postmill.testing.plan import Mail
from postmill.testing.words import describe, stage_name
from postmill.wire.codes import Command, Reply
from postmill.wire.packets import Continue, OptNeg, Progress, Quarantine, ReplyCode, ReplyPacket, decode_reply
from postmill.wire.tables import ALLOWED_REPLIES, ASYNCHRONOUS, VERDICTS

Status = Literal["", "accept", "reject", "temporary-failure", "discard", "quarantine", "aborted", "error"]

SEVERITY: tuple[Status, ...] = (
    "",
    "accept",
    "aborted",
    "quarantine",
    "discard",
    "temporary-failure",
    "reject",
    "error",
)
"""From harmless to grave: the status of a session is the gravest of its messages."""

REFUSALS = frozenset({Reply.REJECT, Reply.TEMPFAIL, Reply.REPLYCODE, Reply.SHUTDOWN})

DEFAULT_TEXT = {
    Reply.REJECT: b"550 5.7.1 Command rejected",
    Reply.TEMPFAIL: b"451 4.7.1 Service unavailable - try again later",
    Reply.SHUTDOWN: b"421 4.7.0 Service closing connection",
}
"""What Postfix tells the SMTP client when the filter gives no text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one command. `verdict` is None when none was due: not sent, or negotiated away.

    `edits` holds everything that came before the verdict except PROGRESS, in order; `elapsed` is in seconds.
    """

    verdict: ReplyPacket | None
    edits: tuple[ReplyPacket, ...] = ()
    progress: int = 0
    elapsed: float = 0.0

    @property
    def letter(self) -> str:
        """The verdict's letter; empty without verdict."""
        return "" if self.verdict is None else chr(self.verdict.letter)

    @property
    def word(self) -> str:
        """The verdict in words: ``continue``, ``550 5.7.1 no``; empty without verdict."""
        return "" if self.verdict is None else describe(self.verdict)

    @property
    def refuses(self) -> bool:
        """Whether the SMTP client gets a 4xx or 5xx."""
        return self.verdict is not None and self.verdict.letter in REFUSALS

    @property
    def reply(self) -> bytes:
        """What the SMTP client is told by a refusal (``%%`` undoubled); else empty."""
        if isinstance(self.verdict, ReplyCode):
            return smtp_text(self.verdict.text)
        return DEFAULT_TEXT.get(Reply(self.verdict.letter), b"") if self.verdict is not None else b""

    @property
    def quarantine(self) -> bytes | None:
        """The reason given by QUARANTINE, or None."""
        return next((edit.reason for edit in self.edits if isinstance(edit, Quarantine)), None)


NOTHING = Outcome(None)
CONTINUED = Outcome(Continue())


class Collector:
    """Gathers the replies to one command until the verdict.

    `take` raises RemoteProtocolError for a malformed or unknown reply and, when `strict`, for one that has
    no business at this command. `early` allows PROGRESS and QUARANTINE before the end of the message, as
    Postfix does.
    """

    def __init__(self, command: int, *, strict: bool = True, early: bool = True) -> None:
        self._command = Command(command)
        self._strict = strict
        self._early = early
        self._edits: list[ReplyPacket] = []
        self._progress = 0

    def take(self, letter: int, payload: bytes) -> Outcome | None:
        """Take one packet; the outcome when it was the verdict."""
        packet = decode_reply(letter, payload)
        if letter == Reply.REPLYCODE and self._strict:
            check_reply_text(payload)
        if letter in VERDICTS:
            return Outcome(packet, tuple(self._edits), self._progress)
        if self._strict and not self._allowed(letter):
            raise RemoteProtocolError(f"{describe(packet)!r} is not allowed at {stage_name(self._command)}")
        if isinstance(packet, Progress):
            self._progress += 1
        else:
            self._edits.append(packet)
        return None

    def _allowed(self, letter: int) -> bool:
        if letter in ASYNCHRONOUS and not self._early:
            return self._command == Command.BODYEOB
        return letter in ALLOWED_REPLIES[self._command]


@dataclass(frozen=True, slots=True)
class StageReport:
    """One command of a session with what came of it; `payload` is what was sent."""

    command: int
    payload: bytes
    outcome: Outcome


@dataclass(slots=True)
class MailReport:
    """What happened to one message.

    `stage` is the letter of the command that decided; `reply` what the SMTP client is told by a refusal.
    `recipients` were accepted, `refused` pairs an address with its reply. `edits` and the `new_…` fields
    hold the result for a message that is accepted or quarantined; they are the original values where
    nothing was edited.
    """

    mail: Mail
    status: Status = ""
    stage: str = ""
    reply: bytes = b""
    recipients: list[bytes] = field(default_factory=list)
    refused: list[tuple[bytes, bytes]] = field(default_factory=list)
    edits: tuple[ReplyPacket, ...] = ()
    quarantine: bytes | None = None
    stages: list[StageReport] = field(default_factory=list)
    new_sender: bytes = b""
    new_recipients: tuple[bytes, ...] = ()
    new_headers: Headers = ()
    new_body: bytes = b""

    @property
    def outcomes(self) -> str:
        """The letters of commands and verdicts in turn: ``Mc Rc Tc Lc Nc Bc Ec``."""
        return " ".join(chr(stage.command) + stage.outcome.letter for stage in self.stages)


@dataclass(slots=True)
class SessionReport:
    """What happened in one session; `error` says what went wrong, `error_kind` what kind of thing it was."""

    answer: OptNeg | None = None
    stages: list[StageReport] = field(default_factory=list)
    mails: list[MailReport] = field(default_factory=list)
    error: str = ""
    error_kind: Literal["", "connect", "timeout", "lost", "protocol"] = ""
    elapsed: float = 0.0

    @property
    def status(self) -> Status:
        """The gravest status of the session."""
        if self.error:
            return "error"
        return max((mail.status for mail in self.mails), key=SEVERITY.index, default="accept")

    @property
    def deciding(self) -> MailReport | None:
        """The first message that has the status of the session."""
        return next((mail for mail in self.mails if mail.status == self.status), None)
