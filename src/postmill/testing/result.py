"""What becomes of a message when a filter's edits are carried out, as Postfix carries them out.

Here belong the edits on envelope, headers and body of a finished report (protocol §3.4, §9.5). The order of
events and who decides is `conversation`'s.
"""

from __future__ import annotations

from postmill.mail.body import replacement
from postmill.mail.headers import HeaderList, normalise
from postmill.testing.outcome import MailReport
from postmill.wire.packets import (
    AddHeader,
    AddRcpt,
    AddRcptPar,
    ChangeFrom,
    ChangeHeader,
    DelRcpt,
    InsertHeader,
    ReplaceBody,
    ReplyPacket,
)


def apply_edits(report: MailReport, *, leadspc: bool = False) -> None:
    """Fill the ``new_…`` fields of `report` from its message and its edits.

    `leadspc` tells that the filter negotiated HDR_LEADSPC, and so writes the blank after the colon itself.
    """
    mail = report.mail
    headers = HeaderList(mail.headers)
    for edit in report.edits:
        _edit_header(headers, edit, leadspc)
    chunks = [edit.data for edit in report.edits if isinstance(edit, ReplaceBody)]
    report.new_headers = tuple(headers.visible())
    report.new_body = replacement(chunks) if chunks else mail.body
    senders = [edit.address for edit in report.edits if isinstance(edit, ChangeFrom)]
    report.new_sender = senders[-1] if senders else mail.sender
    report.new_recipients = _recipients(report)


def _edit_header(headers: HeaderList, edit: ReplyPacket, leadspc: bool) -> None:
    match edit:
        case AddHeader(name, value):
            headers.add(name, normalise(value, leadspc))
        case InsertHeader(index, name, value):
            headers.insert(index, name, normalise(value, leadspc))
        case ChangeHeader(index, name, b""):
            headers.change(index, name, b"")
        case ChangeHeader(index, name, value):
            headers.change(index, name, normalise(value, leadspc))
        case _:
            pass


def _bare(address: bytes) -> bytes:
    return address.removeprefix(b"<").removesuffix(b">")


def _recipients(report: MailReport) -> tuple[bytes, ...]:
    recipients = list(report.recipients)
    for edit in report.edits:
        if isinstance(edit, AddRcpt | AddRcptPar) and edit.address not in (b"", b"<>"):
            recipients.append(edit.address)
        elif isinstance(edit, DelRcpt):
            gone = _bare(edit.address)
            recipients = [address for address in recipients if _bare(address) != gone]
    return tuple(recipients)
