"""The fake MTA's conversation, led by an SMTP client instead of a plan.

Here belongs what to say to the filter for each SMTP command as it comes (protocol §6.1 to §6.7, with the
habits of Postfix), as talks that `testing.carrier` carries; macros, flags and verdicts are
`testing.conversation`'s.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from postmill.testing.conversation import Conversation, Say
from postmill.testing.message import Headers
from postmill.testing.outcome import MailReport, Outcome
from postmill.testing.plan import Client, Mail, Recipient, SessionPlan
from postmill.testing.result import apply_edits
from postmill.wire.codes import Protocol
from postmill.wire.packets import Abort, Data, Helo, OptNeg, Quit, Rcpt, encode

Talk = Generator[Say, Outcome | None, None]
Told = Generator[Say, Outcome | None, bytes]
"""Returns the reply that refuses the SMTP command; empty when it is not refused."""


class Dialogue(Conversation):
    """One SMTP session: a method for each thing that a client does; `mail` is the message under way."""

    def __init__(self, client: Client, macros: dict[str, dict[bytes, bytes]], answer: OptNeg) -> None:
        super().__init__(SessionPlan(client=client, helo=b"", mails=(), macros=macros), answer)
        self.mail: MailReport | None = None
        self._greeted = False

    def connect(self) -> Told:
        """The client connected. A refusal lasts for the session: each MAIL gets it as well."""
        yield from self._open()
        return self._sticky.reply if self._sticky is not None else b""

    def hello(self, name: bytes) -> Talk:
        """HELO or EHLO; again means a reset."""
        if not self._over():
            yield from self._session_event(Helo(name))
        yield from self.reset()
        if self._greeted and not self._done():
            yield _tell(Abort())
        self._greeted = True

    def begin(self, sender: bytes, args: tuple[bytes, ...], queue_id: bytes) -> Told:
        """MAIL."""
        mail = Mail(sender, args, recipients=(), headers=(), body=b"", queue_id=queue_id)
        self.mail = report = MailReport(mail, quarantine=self._held)
        if self._sticky is not None:
            self._decide(report, self._sticky, self._sticky_stage)
        elif not self._out:
            yield from self._mail(report)
            self._check_mail_disconnect(report)
        if report.reply:
            yield from self.reset()
        return report.reply

    def recipient(self, address: bytes, args: tuple[bytes, ...]) -> Told:
        """RCPT; a refusal is about this recipient only."""
        report, recipient = self._message, Recipient(address, args)
        if self._silent(report):
            report.recipients.append(address)
            return b""
        outcome = yield from self._ask(
            Rcpt(address, args), report.stages, report.mail, recipient, bool(report.recipients)
        )
        self._recipient_settled(report, recipient, outcome)
        return outcome.reply

    def data(self) -> Told:
        """DATA; a refusal leaves the transaction open."""
        report = self._message
        if self._silent(report):
            return b""
        outcome = yield from self._ask(Data(), report.stages, report.mail)
        if outcome.refuses:
            self._check_disconnect(outcome, "T")
            return outcome.reply
        self._settle(report, outcome, "T")
        return b""

    def content(self, headers: Headers, body: bytes) -> Generator[Say, Outcome | None, MailReport]:
        """The message came to its final dot; returns what is to become of it."""
        report = self._message
        report.mail = replace(report.mail, headers=headers, body=body)
        for stage in (self._headers, self._eoh, self._body, self._end):
            if not self._silent(report):
                yield from stage(report)
        if report.status in ("", "accept", "quarantine"):
            report.status = "accept" if report.quarantine is None else "quarantine"
            apply_edits(report, leadspc=bool(self.answer.protocol & Protocol.HDR_LEADSPC))
        self._check_mail_disconnect(report)
        yield from self.reset()
        return report

    def unknown(self, command: bytes) -> Told:
        """A command that the MTA does not know."""
        if self._over():
            return b""
        report = self.mail
        if report is None:
            outcome = yield from self._unknown(command, self.report.stages)
        else:
            outcome = yield from self._unknown(command, report.stages, report.mail)
            self._after_unknown(report, outcome)
        return outcome.reply

    def reset(self) -> Talk:
        """The message under way is over: decided, or given up by the client."""
        if self.mail is not None and not self._done():
            yield _tell(Abort())
        self.mail = None

    def leave(self) -> Talk:
        """The client is gone."""
        yield from self.reset()
        if self._done():
            return
        if self._greeted:
            yield _tell(Abort())
        yield _tell(Quit())

    @property
    def _message(self) -> MailReport:
        assert self.mail is not None, "no MAIL yet"
        return self.mail

    def _silent(self, report: MailReport) -> bool:
        """Whether the filter gets nothing more of this message."""
        return bool(report.status) or self._over()

    def _done(self) -> bool:
        """Whether the filter's connection is over for good."""
        return self._out or self._closed_by_verdict()


def _tell(packet: Abort | Quit) -> Say:
    return Say(packet.letter, encode(packet))
