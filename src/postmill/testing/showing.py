"""A finished session as text and as plain values: status lines, edits, the resulting message, differences,
JSON.

Here belongs what `postmill send` shows, without colours and without a terminal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Literal

from postmill.testing.load import LoadReport
from postmill.testing.message import Headers, join_message
from postmill.testing.outcome import MailReport, SessionReport, StageReport
from postmill.testing.trace import command_text, plain
from postmill.testing.words import describe, shown, stage_name
from postmill.wire.codes import Reply
from postmill.wire.packets import Quarantine, ReplaceBody, ReplyPacket

EXIT_STATUS = {
    "": 0,
    "accept": 0,
    "aborted": 0,
    "reject": 10,
    "temporary-failure": 11,
    "discard": 12,
    "quarantine": 13,
}
ERROR_STATUS = {"connect": 69, "timeout": 75, "lost": 76, "protocol": 76, "": 70}

DELIVERED = ("accept", "quarantine")
"""The statuses after which the filter's edits count."""

Mark = Literal[" ", "+", "-", "#"]
"""What a line of a comparison is: kept, new, gone, or a heading."""


def exit_status(report: SessionReport) -> int:
    """The exit status of `postmill send` for one session."""
    return ERROR_STATUS[report.error_kind] if report.error else EXIT_STATUS[report.status]


def load_exit_status(total: LoadReport) -> int:
    """The exit status of `postmill send` for many sessions: 0, that of the first error, or 130 for SIGINT."""
    if total.interrupted:
        return 130
    return ERROR_STATUS[total.first_error] if total.errors else 0


def summary(report: SessionReport) -> list[str]:
    """The lines that are always printed: status, elapsed time, what decided, the edits."""
    lines = [f"status: {report.status}", f"elapsed-time: {report.elapsed:.3f} seconds"]
    if report.error:
        lines.append(f"error: {report.error}")
    several = len(report.mails) > 1
    for number, mail in enumerate(report.mails, 1):
        if several:
            lines.append(f"message {number}: {mail.status or 'not sent'}")
        lines += [("  " if several else "") + line for line in _mail_lines(mail)]
    return lines


def _mail_lines(mail: MailReport) -> Iterator[str]:
    if mail.stage and mail.status not in ("accept", "error"):
        yield f"stage: {stage_name(ord(mail.stage))}"
    if mail.reply:
        yield from (f"reply: {shown(line)}" for line in mail.reply.split(b"\r\n"))
    for address, reply in mail.refused:
        yield f"refused: {shown(address)}: {shown(reply)}"
    if mail.quarantine is not None:
        yield f"quarantine: {shown(mail.quarantine)}"
    if mail.status in DELIVERED:
        yield from (f"edit: {describe(edit)}" for edit in mail.edits if not isinstance(edit, Quarantine))


def message_text(mail: MailReport) -> bytes:
    """The resulting message, CRLF lines; the original one where no result exists."""
    if mail.status in DELIVERED:
        return join_message(mail.new_headers, mail.new_body)
    return join_message(mail.mail.headers, mail.mail.body)


def _lines(sender: bytes, recipients: tuple[bytes, ...], headers: Headers, body: bytes) -> list[str]:
    envelope = [f"MAIL FROM:{plain(sender)}", *(f"RCPT TO:{plain(address)}" for address in recipients)]
    return envelope + plain(join_message(headers, body)).replace("\r\n", "\n").split("\n")[:-1]


def _both_versions(mail: MailReport) -> tuple[list[str], list[str]]:
    asked = tuple(recipient.address for recipient in mail.mail.recipients)
    before = _lines(mail.mail.sender, asked, mail.mail.headers, mail.mail.body)
    if mail.status not in DELIVERED:
        return before, before
    return before, _lines(mail.new_sender, mail.new_recipients, mail.new_headers, mail.new_body)


def difference(mail: MailReport) -> list[tuple[Mark, str]]:
    """A unified difference of envelope and message, original against result; empty when nothing changed."""
    before, after = _both_versions(mail)
    lines = difflib.unified_diff(before, after, "original", "filtered", lineterm="")
    return [_marked(line) for line in lines]


def _marked(line: str) -> tuple[Mark, str]:
    if line.startswith(("---", "+++", "@@")):
        return "#", line
    if line.startswith("+"):
        return "+", line
    return ("-" if line.startswith("-") else " "), line


def annotated(mail: MailReport) -> list[tuple[Mark, str]]:
    """The whole result in three sections, each line marked as kept, new or gone."""
    before, after = _both_versions(mail)
    lines: list[tuple[Mark, str]] = []
    at_before, at_after = 0, 0
    for title, end in (("Envelope", _end_of_envelope), ("Header", _end_of_header), ("Body", len)):
        to_before, to_after = end(before), end(after)
        lines.append(("#", f"{title:-<32}"))
        lines += _compared(before[at_before:to_before], after[at_after:to_after])
        at_before, at_after = to_before, to_after
    return lines


def _end_of_envelope(lines: list[str]) -> int:
    return next(
        (at for at, line in enumerate(lines) if not line.startswith(("MAIL FROM:", "RCPT TO:"))), len(lines)
    )


def _end_of_header(lines: list[str]) -> int:
    return lines.index("") if "" in lines else len(lines)


def _compared(before: list[str], after: list[str]) -> Iterator[tuple[Mark, str]]:
    for kind, from_old, to_old, from_new, to_new in difflib.SequenceMatcher(
        None, before, after
    ).get_opcodes():
        if kind == "equal":
            yield from ((" ", f"  {line}") for line in before[from_old:to_old])
        else:
            yield from (("-", f"- {line}") for line in before[from_old:to_old])
            yield from (("+", f"+ {line}") for line in after[from_new:to_new])


def session_values(report: SessionReport) -> dict[str, object]:
    """Everything about a session, ready for JSON."""
    answer = report.answer
    negotiated = None
    if answer is not None:
        lists = {str(stage): plain(names) for stage, names in answer.symlists}
        negotiated = {
            "version": answer.version,
            "actions": answer.actions,
            "protocol": answer.protocol,
            "symlists": lists,
        }
    return {
        "status": report.status,
        "elapsed": round(report.elapsed, 6),
        "error": report.error or None,
        "error_kind": report.error_kind or None,
        "negotiated": negotiated,
        "events": [_stage_values(stage) for stage in report.stages],
        "messages": [_mail_values(mail) for mail in report.mails],
    }


def _stage_values(stage: StageReport) -> dict[str, object]:
    outcome = stage.outcome
    return {
        "event": command_text(stage.command, stage.payload),
        "stage": stage_name(stage.command),
        "verdict": None if outcome.verdict is None else Reply(outcome.verdict.letter).name.lower(),
        "reply": plain(outcome.reply) or None,
        "progress": outcome.progress,
        "elapsed": round(outcome.elapsed, 6),
    }


def _mail_values(mail: MailReport) -> dict[str, object]:
    filtered = mail.status in DELIVERED
    return {
        "status": mail.status or None,
        "stage": stage_name(ord(mail.stage)) if mail.stage else None,
        "reply": plain(mail.reply) or None,
        "quarantine": None if mail.quarantine is None else plain(mail.quarantine),
        "recipients": [plain(address) for address in mail.recipients],
        "refused": [{"recipient": plain(address), "reply": plain(reply)} for address, reply in mail.refused],
        "edits": [_edit_text(edit) for edit in mail.edits],
        "sender": plain(mail.new_sender if filtered else mail.mail.sender),
        "final_recipients": [plain(address) for address in mail.new_recipients],
        "headers": [[plain(name), plain(text)] for name, text in mail.new_headers],
        "body": plain(mail.new_body),
        "events": [_stage_values(stage) for stage in mail.stages],
    }


def _edit_text(edit: ReplyPacket) -> str:
    if isinstance(edit, ReplaceBody):
        return f"replace-body:{plain(edit.data)}"
    return describe(edit)


def load_summary(total: LoadReport) -> list[str]:
    """The lines for many sessions."""
    failed = sum(total.errors.values())
    lines = [
        f"status: {total.status}",
        f"elapsed-time: {total.seconds:.3f} seconds",
        f"sessions: {total.sessions}{' (interrupted)' if total.interrupted else ''}",
        f"messages: {total.messages}",
        f"throughput: {total.throughput:.1f} sessions/second",
        f"errors: {failed}",
    ]
    lines += [f"  {count} x {text}" for text, count in total.errors.most_common(10)]
    lines += [f"{status}: {count}" for status, count in sorted(total.statuses.items())]
    if total.latencies:
        times = [f"p{p}={total.percentile(p) * 1000:.2f}" for p in (50, 90, 99)]
        lines.append(f"latency: {' '.join(times)} max={max(total.latencies) * 1000:.2f} milliseconds")
    return lines


def load_values(total: LoadReport) -> dict[str, object]:
    """Many sessions, ready for JSON; latencies in seconds."""
    return {
        "status": total.status,
        "sessions": total.sessions,
        "messages": total.messages,
        "elapsed": round(total.seconds, 6),
        "throughput": round(total.throughput, 3),
        "statuses": dict(total.statuses),
        "errors": dict(total.errors),
        "latency": {f"p{p}": round(total.percentile(p), 6) for p in (50, 90, 99)}
        | {"max": round(max(total.latencies, default=0.0), 6)},
    }
