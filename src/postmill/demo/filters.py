"""The demo's own milters, which say on sight what they are for.

One marks mail from outside. Two stand in where ClamAV or SpamAssassin is missing, and are neither: one knows
a single string that the whole world has agreed to call a virus, one a single line that it has agreed to call
spam. What belongs here is their judgement; `serving` speaks the protocol.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from postmill.wire.codes import Action, Protocol
from postmill.wire.packets import AddHeader, Continue, ReplyCode, ReplyPacket

# Put together here, so that no scanner takes the source for what it describes.
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-" + b"ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"

MARK = b"X-Postmill-Demo"


@dataclass(slots=True)
class Letter:
    """One message as a filter has seen it, when it is complete."""

    sender: bytes = b""
    recipients: list[bytes] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def contents(self) -> Iterator[bytes]:
        """The text of every part, transfer encodings undone."""
        head = b"".join(name + b": " + value + b"\n" for name, value in self.headers)
        message = email.message_from_bytes(head + b"\n" + bytes(self.body), policy=email.policy.compat32)
        for part in message.walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


@dataclass(frozen=True, slots=True)
class DemoFilter:
    """A filter: what it is, which edits it wants, which events it does not want, and how it judges.

    `judge` gives any edits and then the verdict.
    """

    name: str
    what: str
    actions: Action
    without: Protocol
    judge: Callable[[Letter], tuple[ReplyPacket, ...]]


def _spam(letter: Letter) -> tuple[ReplyPacket, ...]:
    if any(GTUBE in content for content in letter.contents()):
        return (ReplyCode(b"550 5.7.1 Spam: GTUBE test line"),)
    return (Continue(),)


def _virus(letter: Letter) -> tuple[ReplyPacket, ...]:
    if any(EICAR in content for content in letter.contents()):
        return (ReplyCode(b"550 5.7.1 Virus: EICAR test file"),)
    return (Continue(),)


def _mark(letter: Letter) -> tuple[ReplyPacket, ...]:
    domain = _domain(letter.sender)
    if domain and domain not in map(_domain, letter.recipients):
        return AddHeader(MARK, b"from outside, " + domain), Continue()
    return (Continue(),)


def _domain(address: bytes) -> bytes:
    return address.strip(b"<> ").rpartition(b"@")[2].lower()


_ENVELOPE = Protocol.NOCONNECT | Protocol.NOHELO | Protocol.NOMAIL | Protocol.NORCPT | Protocol.NODATA

FILTERS = {
    one.name: one
    for one in (
        DemoFilter("spam", "refuses mail with the GTUBE line", Action(0), Protocol.NODATA, _spam),
        DemoFilter("virus", "refuses mail with the EICAR test file", Action(0), _ENVELOPE, _virus),
        DemoFilter(
            "tagger",
            f"adds {MARK.decode()} to mail from another domain",
            Action.ADDHDRS,
            Protocol.NOCONNECT | Protocol.NOHELO | Protocol.NOBODY,
            _mark,
        ),
    )
}
"""By name."""
