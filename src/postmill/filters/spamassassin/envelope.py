"""What spamd is shown: the message, whose it is, and how it came here.

A milter sees a message without the Received header that the MTA will write, so one like it is put in front,
as spamass-milter does: SpamAssassin's tests of networks and names go by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from postmill.api import Address, Message
from postmill.filters.spamassassin.policy import Settings


def prelude(msg: Message, now: datetime) -> bytes:
    """Return the lines that go in front of the message."""
    client, envelope = msg.client, msg.envelope
    host = client.macros.get("j", "localhost")
    name = client.name if client.has_name else "unknown"
    address = f"[{'IPv6:' if client.ip and client.ip.version == 6 else ''}{client.ip}]" if client.ip else ""
    queue_id = envelope.macros.get("i") or msg.sender.macros.get("i", "unknown")
    login = " (authenticated)" if msg.sender.user is not None else ""
    protocol = "ESMTPA" if login else "ESMTP"
    lines = [
        f"X-Envelope-From: <{msg.sender.address}>",
        *(f"X-Envelope-To: <{one.address}>" for one in envelope.recipients),
        f"Received: from {msg.sender.greeting.name or name} ({name} {address}){login}",
        f"\tby {host} (Postmill) with {protocol} id {queue_id}",
        f"\t(envelope-from <{msg.sender.address}>);",
        f"\t{format_datetime(now)}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def content(msg: Message) -> bytes:
    """Return the message without what its sender would have said in SpamAssassin's name."""
    headers = msg.head.headers
    kept = [header.raw + b"\r\n" for header in headers if not is_mark(header.name)]
    return msg.raw if len(kept) == len(headers) else b"".join((*kept, b"\r\n", msg.body))


def is_mark(name: str) -> bool:
    """Tell whether a header is one of SpamAssassin's."""
    return name.lower().startswith("x-spam-")


def user_of(recipients: Sequence[Address], settings: Settings) -> str:
    """Return with whose preferences a message is judged, a recipient in lower case; empty: spamd's own."""
    if not settings.default_user:
        return settings.user
    if len(recipients) != 1:
        return settings.default_user
    (address,) = recipients
    if settings.full_address:
        return address.text.lower()
    return address.local.partition("+")[0].lower() or settings.default_user
