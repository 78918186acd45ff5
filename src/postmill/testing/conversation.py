"""What an MTA says to one filter, and when: a plan turned into packets, reply by reply, without I/O.

Here belongs the MTA's side of protocol §6 (order of events, verdicts, aborts), §2.1 and §4.2 (what is left
out, what gets no reply), §5.4 (macro packets), with the habits of Postfix or Sendmail. `mta` and `sender`
carry it over a socket.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from postmill.mail.headers import shown
from postmill.testing.macros import MacroBook
from postmill.testing.outcome import (
    CONTINUED,
    Collector,
    MailReport,
    Outcome,
    SessionReport,
    StageReport,
    Status,
)
from postmill.testing.plan import Mail, Recipient, SessionPlan
from postmill.testing.result import apply_edits
from postmill.wire.codes import CHUNK, Command, Protocol
from postmill.wire.packets import (
    Abort,
    Body,
    BodyEob,
    Connect,
    Data,
    Eoh,
    Header,
    Helo,
    Macro,
    OptNeg,
    Packet,
    Quit,
    Rcpt,
    Unknown,
    encode,
)
from postmill.wire.packets import Mail as MailPacket
from postmill.wire.tables import NO_FLAG, NR_FLAG, SINCE_VERSION

MACROS_ANYWAY = frozenset(b"CHMRTU")
"""Events whose macro packet goes out even when a NO flag suppresses the event itself."""


ENVELOPE = frozenset(b"HMRTU")


@dataclass(frozen=True, slots=True)
class Say:
    """Bytes to write now (macros included) and, with `reply`, a verdict to wait for on this command."""

    command: int
    data: bytes
    reply: bool = False


_SKIPPABLE = (Command.RCPT, Command.HEADER, Command.BODY, Command.UNKNOWN)

Talk = Generator[Say, Outcome | None, None]
Asked = Generator[Say, Outcome | None, Outcome]


class Conversation:
    """One session with one filter that gave `answer` in the negotiation; fills `report` as it goes."""

    def __init__(self, plan: SessionPlan, answer: OptNeg) -> None:
        self.plan = plan
        self.answer = answer
        self.report = SessionReport(answer)
        self.cut = False
        self._book = MacroBook(plan)
        self._book.ask(answer.symlists)
        self._out = False
        self._sticky: Outcome | None = None
        self._sticky_stage = ""
        self._ended = False
        self._held: bytes | None = None
        self._skipped = 0
        """The event answered with SKIP, until there is one of another kind (protocol §3.1)."""

    @property
    def postfix(self) -> bool:
        """Whether this MTA has the habits of Postfix."""
        return self.plan.like == "postfix"

    def collector(self, command: int, strict: bool = True) -> Collector:
        """A collector for the replies to this command."""
        return Collector(command, strict=strict, early=self.postfix)

    def run(self) -> Talk:
        """Everything that is said, from CONNECT to QUIT. `cut` is set when the link must end without QUIT."""
        yield from self._open()
        for mail in self.plan.mails:
            report = MailReport(mail, quarantine=self._held)
            self.report.mails.append(report)
            yield from self._one_mail(report)
            if self.cut:
                return
        if self._out or self._closed_by_verdict():
            if not self.postfix:
                yield _tell(Quit())
            return
        if self.postfix and self.plan.helo:
            yield _tell(Abort())
        yield _tell(Quit())

    # the connection

    def _open(self) -> Talk:
        client = self.plan.client
        prefix = b"" if self.postfix or client.family != b"6" else b"IPv6:"
        connect = Connect(client.host, client.family, client.port, prefix + client.address)
        if client.family == b"U":
            connect = Connect(client.host)
        yield from self._session_event(connect)
        if self.plan.helo and not self._over():
            yield from self._session_event(Helo(self.plan.helo))
        for command in self.plan.unknown:
            if not self._over():
                yield from self._unknown(command, self.report.stages)

    def _session_event(self, packet: Packet) -> Talk:
        outcome = yield from self._ask(packet, self.report.stages)
        self._held = outcome.quarantine or self._held
        if outcome.letter == "a":
            self._out = True
        elif outcome.refuses:
            self._sticky, self._sticky_stage = outcome, chr(packet.letter)

    def _over(self) -> bool:
        return self._out or self._sticky is not None or self._ended

    def _closed_by_verdict(self) -> bool:
        return self._sticky is not None and self._sticky_stage in "CH"

    def _unknown(self, command: bytes, stages: list[StageReport], mail: Mail | None = None) -> Asked:
        text = command.split()[0] if self.postfix and command.split() else command
        outcome = yield from self._ask(Unknown(text), stages, mail)
        self._check_disconnect(outcome, "U")
        return outcome

    def _check_disconnect(self, outcome: Outcome, stage: str) -> None:
        """A 421 ends the SMTP connection: whatever the client still wanted fails with it."""
        if outcome.refuses and outcome.reply.startswith(b"421"):
            self._ended = True
            self._sticky, self._sticky_stage = outcome, stage

    # one message

    def _one_mail(self, report: MailReport) -> Talk:
        if self._sticky is not None:
            self._decide(report, self._sticky, self._sticky_stage)
            return
        if self._out:
            self._accept(report, "C")
            return
        yield from self._transaction(report)
        self._check_mail_disconnect(report)
        if self.cut:
            return
        if self.postfix or report.status == "aborted" or (report.status == "discard" and report.stage != "E"):
            yield _tell(Abort())

    def _check_mail_disconnect(self, report: MailReport) -> None:
        if report.stages and report.status in ("reject", "temporary-failure"):
            self._check_disconnect(report.stages[-1].outcome, report.stage)

    def _transaction(self, report: MailReport) -> Talk:
        mail = report.mail
        for stage in (
            self._mail,
            self._recipients,
            self._data,
            self._headers,
            self._eoh,
            self._body,
            self._end,
        ):
            letter = yield from stage(report)
            for at, command in mail.unknown:
                if at == letter and not report.status:
                    outcome = yield from self._unknown(command, report.stages, mail)
                    self._after_unknown(report, outcome)
            if mail.drop_after == letter:
                report.status, report.stage, self.cut = report.status or "aborted", letter, True
            if mail.abort_after == letter and not report.status:
                report.status, report.stage = "aborted", letter
            if report.status:
                return

    def _after_unknown(self, report: MailReport, outcome: Outcome) -> None:
        if outcome.letter in ("a", "d") or self._ended:
            self._decide(report, outcome, "U")

    def _mail(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        mail = report.mail
        outcome = yield from self._ask(MailPacket(mail.sender, mail.sender_args), report.stages, mail)
        self._settle(report, outcome, "M")
        return "M"

    def _recipients(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        for recipient in report.mail.recipients:
            if recipient.refused and not self.answer.protocol & Protocol.RCPT_REJ:
                report.refused.append((recipient.address, recipient.refused))
                continue
            packet = Rcpt(recipient.address, recipient.args)
            outcome = yield from self._ask(
                packet, report.stages, report.mail, recipient, bool(report.recipients)
            )
            if self._recipient_settled(report, recipient, outcome):
                return "R"
        if not report.recipients:
            self._no_recipients(report)
        return "R"

    def _recipient_settled(self, report: MailReport, recipient: Recipient, outcome: Outcome) -> bool:
        """Note what became of a recipient; True when that decides about the whole message."""
        if recipient.refused:
            report.refused.append((recipient.address, recipient.refused))
        elif outcome.refuses:
            report.refused.append((recipient.address, outcome.reply))
            self._check_disconnect(outcome, "R")
        else:
            report.recipients.append(recipient.address)
        if outcome.letter in ("a", "d") or self._ended:
            report.recipients = report.recipients or [recipient.address]
            self._decide(report, outcome, "R")
        self._note_quarantine(report, outcome, "R")
        return bool(report.status)

    def _no_recipients(self, report: MailReport) -> None:
        replies = [reply for _, reply in report.refused]
        last = replies[-1] if replies else b"503 5.5.1 Error: need RCPT command"
        report.status, report.stage, report.reply = _status_of_reply(last), "R", last

    def _data(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        outcome = yield from self._ask(Data(), report.stages, report.mail)
        self._settle(report, outcome, "T")
        return "T"

    def _headers(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        leadspc = bool(self.answer.protocol & Protocol.HDR_LEADSPC)
        for name, text in report.mail.headers:
            packet = Header(name, shown(text, leadspc))
            outcome = yield from self._ask(packet, report.stages, report.mail)
            self._settle(report, outcome, "L")
            if report.status:
                break
        return "L"

    def _eoh(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        outcome = yield from self._ask(Eoh(), report.stages, report.mail)
        self._settle(report, outcome, "N")
        return "N"

    def _body(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        body = report.mail.body
        for at in range(0, len(body), CHUNK):
            outcome = yield from self._ask(Body(body[at : at + CHUNK]), report.stages, report.mail)
            self._settle(report, outcome, "B")
            if report.status:
                break
        return "B"

    def _end(self, report: MailReport) -> Generator[Say, Outcome | None, str]:
        outcome = yield from self._ask(BodyEob(), report.stages, report.mail)
        report.edits = outcome.edits
        self._settle(report, outcome, "E")
        if not report.status:
            self._accept(report, "E")
        return "E"

    # verdicts

    def _settle(self, report: MailReport, outcome: Outcome, stage: str) -> None:
        """Let a verdict other than "go on" decide the message."""
        if outcome.refuses or outcome.letter in ("a", "d"):
            self._decide(report, outcome, stage)
        self._note_quarantine(report, outcome, stage)

    def _note_quarantine(self, report: MailReport, outcome: Outcome, stage: str) -> None:
        """QUARANTINE holds the mail. In Postfix it also ends the events of its kind (protocol §3.5).

        During the content that means this message; before, all envelope events up to the end of the
        connection.
        """
        if outcome.quarantine is None or report.status not in ("", "accept"):
            return
        report.quarantine = outcome.quarantine
        if stage in "LNBE":
            self._accept(report, stage)
        else:
            self._held = outcome.quarantine

    def _decide(self, report: MailReport, outcome: Outcome, stage: str) -> None:
        if outcome.letter == "d":
            report.status, report.stage = "discard", stage
        elif outcome.refuses:
            report.status, report.stage, report.reply = _status_of_reply(outcome.reply), stage, outcome.reply
        else:
            self._accept(report, stage)

    def _accept(self, report: MailReport, stage: str) -> None:
        if not report.recipients:
            report.recipients = [rcpt.address for rcpt in report.mail.recipients if not rcpt.refused]
        report.status = "accept" if report.quarantine is None else "quarantine"
        report.stage = stage
        apply_edits(report, leadspc=bool(self.answer.protocol & Protocol.HDR_LEADSPC))

    # packets

    def _ask(
        self,
        packet: Packet,
        stages: list[StageReport],
        mail: Mail | None = None,
        recipient: Recipient | None = None,
        queued: bool = False,
    ) -> Asked:
        """Say one event if the filter wants it; the outcome is CONTINUE when no reply is due."""
        letter = packet.letter
        held = self._held is not None and letter in ENVELOPE
        if held or self.answer.version < SINCE_VERSION.get(letter, 0):
            return CONTINUED
        pairs = self._book.pairs(chr(letter), mail, recipient, queued)
        data = b"" if pairs is None else encode(Macro(letter, pairs))
        if self.answer.protocol & NO_FLAG.get(letter, 0):
            if letter in MACROS_ANYWAY:
                yield Say(letter, data)
            return CONTINUED
        if letter == self._skipped:
            return CONTINUED
        self._skipped = 0
        due = not self.answer.protocol & NR_FLAG.get(letter, 0)
        outcome = yield Say(letter, data + encode(packet), due)
        stages.append(StageReport(letter, packet.payload(), outcome or Outcome(None)))
        if outcome and outcome.letter == "s" and letter in _SKIPPABLE:
            self._skipped = letter
        return outcome or CONTINUED


def _tell(packet: Packet) -> Say:
    return Say(packet.letter, encode(packet))


def _status_of_reply(reply: bytes) -> Status:
    return "temporary-failure" if reply.startswith(b"4") else "reject"


__all__ = ["Conversation", "Say"]
