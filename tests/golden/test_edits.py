"""The models edit messages as Postfix and Sendmail did: all recorded ones (protocol §3.4, §9.5)."""

from __future__ import annotations

import pytest

from postmill.mail.body import replacement
from postmill.mail.headers import HeaderField, HeaderList, normalise, shown
from postmill.mail.sendmail_headers import SendmailHeaders
from postmill.wire.packets import AddHeader, ChangeHeader, InsertHeader, ReplaceBody, decode_reply
from tests.golden.vault import Edited, edited_messages

STRAY_CR = {"postfix37-bad-E-h-crlf", "postfix37-edit-leadspc", "sendmail817-edit-leadspc"}
"""Here both MTAs keep the CR of a CRLF that a filter wrote into a header; we send a line end."""


SENDMAIL = "sendmail817-"
Headers = HeaderList | SendmailHeaders


def apply(headers: Headers, edits: tuple[bytes, ...], leadspc: bool) -> list[bytes]:
    """Apply the header edits, return the pieces of a new body."""
    body = []
    for data in edits:
        match decode_reply(data[4], data[5:]):
            case AddHeader(name, value):
                headers.add(name, normalise(value, leadspc))
            case InsertHeader(index, name, value):
                headers.insert(index, name, normalise(value, leadspc))
            case ChangeHeader(index, name, value):
                headers.change(index, name, normalise(value, leadspc) if value else b"")
            case ReplaceBody(data):
                body.append(data)
    return body


def delivered_header(field: HeaderField, own_received: bytes) -> bytes:
    if field.hidden:
        return own_received
    return field.name + b":" + field.text.replace(b"\n", b"\r\n") + b"\r\n"


def own_received(message: bytes) -> bytes:
    start = message.index(b"Received: from x (localhost")
    zone = b"GMT\r\n" if b"sm.example.org" in message else b"(UTC)\r\n"
    return message[start : message.index(zone, start) + len(zone)]


def replay(message: Edited) -> tuple[list[list[tuple[bytes, bytes]]], list[bytes], bytes]:
    """Return the headers and the body that each filter would be shown by us, and what we would deliver."""
    first = message.filters[0]
    headers = HeaderList((name, normalise(value, first.leadspc)) for name, value in first.headers)
    body, seen_headers, seen_bodies = first.body, [], []
    for filter_ in message.filters:
        seen_headers.append([(name, shown(text, filter_.leadspc)) for name, text in headers.visible()])
        seen_bodies.append(body)
        pieces = apply(headers, filter_.edits, filter_.leadspc)
        body = replacement(pieces) if pieces else body
    own = own_received(message.delivered)
    lines = [delivered_header(field, own) for field in headers.fields if not field.deleted]
    return seen_headers, seen_bodies, b"".join(lines) + b"\r\n" + body


def without_stray_cr(data: bytes, scenario: str) -> bytes:
    return data.replace(b"\r\r\n", b"\r\n").replace(b"b\r\n c", b"b\n c") if scenario in STRAY_CR else data


def of_mta(sendmail: bool) -> list[Edited]:
    return [message for message in edited_messages() if message.scenario.startswith(SENDMAIL) is sendmail]


@pytest.mark.parametrize("message", of_mta(sendmail=False), ids=lambda message: message.scenario)
def test_next_filter_and_recipient_get_what_postfix_gave_them(message: Edited) -> None:
    headers, bodies, delivered = replay(message)
    for filter_, ours, body in zip(message.filters, headers, bodies, strict=True):
        assert ours == [(name, without_stray_cr(v, message.scenario)) for name, v in filter_.headers]
        assert body == filter_.body
    recorded = message.delivered
    if message.scenario in STRAY_CR:
        recorded = recorded.replace(b"\r\r\n", b"\r\n")
    assert delivered == recorded


@pytest.mark.parametrize("message", of_mta(sendmail=True), ids=lambda message: message.scenario)
def test_next_filter_and_recipient_get_what_sendmail_gave_them(message: Edited) -> None:
    first = message.filters[0]
    headers = SendmailHeaders((name, normalise(value, first.leadspc)) for name, value in first.headers)
    for filter_ in message.filters:
        headers.next_filter()
        ours = [(name, shown(text, filter_.leadspc)) for name, text in headers.visible()]
        assert ours == [(name, without_stray_cr(v, message.scenario)) for name, v in filter_.headers]
        apply(headers, filter_.edits, filter_.leadspc)
    lines = [name + b":" + text.replace(b"\n", b"\r\n") for name, text in headers.visible()]
    delivered = message.delivered.replace(b"\r\r\n", b"\r\n").replace(own_received(message.delivered), b"")
    assert b"\r\n".join(lines) == delivered.partition(b"\r\n\r\n")[0]


def test_there_are_chains_of_two_editing_filters() -> None:
    chains = [m for m in edited_messages() if len(m.filters) == 2 and all(f.edits for f in m.filters)]
    assert len(chains) >= 5
