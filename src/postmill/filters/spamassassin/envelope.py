"""What spamd is shown: the message, whose it is, and how it came here.

A milter sees a message without the Received header that the MTA will write, so one like it is put in front,
as spamass-milter does: SpamAssassin's tests of networks and names go by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from postmill.api import Address, Message
from postmill.filters.spamassassin.policy import Settings

_END_OF_LINE = re.compile(rb"[\r\n\0]")


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
        f"X-Envelope-From: <{exactly(msg.sender.address)}>",
        *(f"X-Envelope-To: <{exactly(one.address)}>" for one in envelope.recipients),
        f"Received: from {msg.sender.greeting.name or name} ({name} {address}){login}",
        f"\tby {host} (Postmill) with {protocol} id {queue_id}",
        f"\t(envelope-from <{exactly(msg.sender.address)}>);",
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


def exactly(address: Address) -> str:
    """Return an address as the text that its bytes are again when it is encoded."""
    return address.raw.decode("utf-8", "surrogateescape")


def user_of(recipients: Sequence[Address], settings: Settings) -> bytes:
    """Return with whose preferences a message is judged, a recipient in lower case; empty: spamd's own."""
    if not settings.default_user or len(recipients) != 1:
        return (settings.default_user or settings.user).encode()
    address = recipients[0].raw
    if not settings.full_address:
        address = _local(address).partition(b"+")[0]
    names_nobody = not address or _END_OF_LINE.search(address)
    return settings.default_user.encode() if names_nobody else address.lower()


def _local(address: bytes) -> bytes:
    return address.rpartition(b"@")[0] if b"@" in address else address
