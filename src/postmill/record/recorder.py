"""Folding the notes of one session into records (the brain's side of it is ``chain.notes``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postmill.chain.steps import Answered, Edit, Lost, Outcome, Verdict, word_for
from postmill.record.change import EDIT_NAMES, changes_of
from postmill.record.text import text
from postmill.record.value import STAGE_NAMES, Answer, ChildRecord, Decision, MessageRecord, Recipient
from postmill.wire.codes import Command, Reply
from postmill.wire.symbols import bare, parse_pairs

_MESSAGE_REFUSED = (int(Command.MAIL), int(Command.BODYEOB))
_ENDING = frozenset((*_MESSAGE_REFUSED, int(Command.RCPT), int(Command.DATA), int(Command.UNKNOWN)))
_STAGES = {ord(letter): name for letter, name in STAGE_NAMES.items()}
_CONTINUE = int(Reply.CONTINUE)
_LONGEST_ID = 998
"""A header line has no more characters (RFC 5322 section 2.1.1)."""
Note = tuple[str, int, Outcome, bool]


class Recorder:
    """Implements ``chain.notes.Observer``; hands each finished record to ``sink``.

    Notes are kept as they come and made into a record only when somebody needs one, because most of the
    work would otherwise be done while the MTA waits.
    """

    __slots__ = (
        "_address",
        "_connection",
        "_connection_decisions",
        "_decision",
        "_decisions",
        "_edits",
        "_ended",
        "_headers",
        "_held",
        "_helo",
        "_mail",
        "_name",
        "_notes",
        "_now",
        "_opened",
        "_order",
        "_queue_macros",
        "_recipients",
        "_session",
        "_sink",
        "_size",
        "_started",
        "_told",
    )

    def __init__(
        self,
        session: str,
        sink: Callable[[MessageRecord], None],
        now: Callable[[], float],
        order: Sequence[str] = (),
        ended: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Record the session called ``session``; ``now`` gives seconds, ``order`` the children's row.

        ``ended`` is told when the session is over, and how many seconds it was open.
        """
        self._order = order
        self._ended = ended
        self._opened = now()
        self._session = session
        self._sink = sink
        self._now = now
        self._name = self._address = self._helo = b""
        self._connection: list[Note] = []
        """What was said before there was a message; it belongs to every message of the connection."""
        self._told = 0
        """How many of these an earlier record has."""
        self._connection_decisions: list[tuple[str, Decision]] = []
        self._decision: tuple[int, Verdict] | None = None
        self._forget()

    def _forget(self) -> None:
        self._mail: bytes | None = None
        self._notes: list[Note] = []
        self._decisions: list[tuple[str, Decision]] = []
        self._recipients: list[tuple[bytes, Verdict]] = []
        self._edits: list[tuple[str, tuple[Edit, ...], tuple[bytes, ...]]] = []
        self._headers: Sequence[bytes] = ()
        self._size = 0
        self._held = b""
        self._queue_macros: bytes | None = None
        self._started = 0.0

    def client(self, payload: bytes, macros: bytes | None) -> None:
        """CONNECT came."""
        name, _, rest = payload.partition(b"\0")
        self._name, self._address = name, rest[3:].rstrip(b"\0")

    def helo(self, payload: bytes) -> None:
        """HELO came."""
        self._helo = payload.rstrip(b"\0")

    def macros(self, payload: bytes) -> None:
        """Macros of a message event came."""
        if b"\0i\0" in b"\0" + payload[1:] or b"{i}" in payload:
            self._queue_macros = payload

    def message(self, payload: bytes) -> None:
        """A message begins."""
        self._forget()
        self._decision = None
        self._mail = payload.partition(b"\0")[0]
        self._started = self._now()

    def recipient(self, payload: bytes, verdict: Verdict) -> None:
        """RCPT was decided."""
        self._recipients.append((payload.partition(b"\0")[0], verdict))

    def answered(self, child: str, stage: int, outcome: Outcome, evaluated: bool) -> None:
        """A child answered, or was lost."""
        notes = self._connection if self._mail is None else self._notes
        notes.append((child, stage, outcome, evaluated))

    def condition(self, child: str, name: str, applies: bool, because: str) -> None:
        """A condition was decided."""
        decisions = self._connection_decisions if self._mail is None else self._decisions
        decisions.append((child, Decision(name, applies, because)))

    def content(self, headers: Sequence[bytes], size: int) -> None:
        """The message is complete."""
        self._headers = headers
        self._size = size + sum(map(len, headers)) + 2 * len(headers) + 2  # ": " and CRLF for two NUL

    def edited(self, child: str, edits: tuple[Edit, ...], replaced: tuple[bytes, ...]) -> None:
        """A child's edits take effect, or would."""
        self._edits.append((child, edits, replaced))

    def held(self, child: str, reason: bytes) -> None:
        """The message is to be quarantined."""
        self._held = reason

    def decided(self, stage: int, verdict: Verdict) -> None:
        """The MTA was told a verdict."""
        if self._mail is None:
            self._decision = (stage, verdict)
            self._sink(self._record(stage, verdict))
        elif stage in _MESSAGE_REFUSED:
            self._sink(self._record(stage, verdict))
            self._forget()
        else:
            self._decision = (stage, verdict)

    def dismissed(self) -> None:
        """The message ended without a verdict at its end."""
        if self._mail is None:
            return
        stage, verdict = self._decision or (0, Verdict(0))
        record = self._record(stage, verdict)
        if not self._decision:
            record.verdict = "aborted"
        self._sink(record)
        self._decision = None
        self._forget()

    def closed(self) -> None:
        """The session is over."""
        self._ended(self._now() - self._opened)

    def _record(self, stage: int, verdict: Verdict) -> MessageRecord:
        record = MessageRecord(
            session=self._session,
            queue_id=self._queue_id(),
            message_id=self._message_id(),
            size=self._size,
            client_name=text(self._name),
            client_address=text(self._address),
            helo=text(self._helo),
            sender=None if self._mail is None else text(self._mail),
            recipients=[Recipient(text(to), word_for(v.letter, v.text)) for to, v in self._recipients],
            stage=_STAGES.get(stage, ""),
            verdict=word_for(verdict.letter, verdict.text),
            by=verdict.by,
            reply=text(verdict.text),
            held=text(self._held),
        )
        if record.verdict == "continue":
            record.verdict = "quarantine" if self._held else "accept"
        if self._started:
            record.ms = (self._now() - self._started) * 1000
        self._add_children(record)
        return record

    def _add_children(self, record: MessageRecord) -> None:
        for name, decision in (*self._connection_decisions, *self._decisions):
            decided = record.children.setdefault(name, ChildRecord(name))
            decided.conditions[decision.name] = decision
        for name, stage, outcome, evaluated in (*self._connection, *self._notes):
            child = record.children.get(name)
            if child is None:
                child = record.children[name] = ChildRecord(name)
            child.evaluated = evaluated
            child.answers.append(_answer(stage, outcome))
        if self._decisions or self._connection_decisions:  # who was left out stands where it would have been
            known = record.children
            record.children = {name: known.pop(name) for name in self._order if name in known} | known
        for name, *_ in self._connection[: self._told]:
            record.children[name].repeated += 1
        self._told = len(self._connection)
        for name, edits, replaced in self._edits:
            child = record.children[name]
            counts = child.edits
            for letter, _ in edits:
                kind = EDIT_NAMES[letter]
                counts[kind] = counts.get(kind, 0) + 1
            child.changes = changes_of(edits, replaced)

    def _queue_id(self) -> str:
        if self._queue_macros is None:
            return ""
        return next(
            (text(value) for name, value in parse_pairs(self._queue_macros) if bare(name) == b"i"), ""
        )

    def _message_id(self) -> str:
        for payload in self._headers:
            if payload[:11].lower() == b"message-id\0":
                return text(payload[11:-1].strip())[:_LONGEST_ID]
        return ""


def _answer(stage: int, outcome: Outcome) -> Answer:
    name = _STAGES.get(outcome.stage or stage, "")
    ms = round(outcome.elapsed * 1000, 3)
    if type(outcome) is Answered and outcome.letter == _CONTINUE and outcome.hold is None:
        return Answer(name, "continue", ms)
    if isinstance(outcome, Lost):
        return Answer(name, f"lost:{outcome.kind}", ms, outcome.text)
    verdict = "quarantine" if outcome.hold is not None else word_for(outcome.letter, outcome.text)
    return Answer(name, verdict, ms, text(outcome.text or outcome.hold or b""), outcome.because)
