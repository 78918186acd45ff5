"""The messages that the real filters judge, as CRLF bytes.

Trigger strings are put together here at run time, so that no scanner flags this repository. A date is taken
from the clock: rules and signatures look at it.
"""

from __future__ import annotations

import random
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import dkim  # type: ignore[import-untyped]

from tests.stack.keys import SELECTOR, DkimKey

#: First letter of the GTUBE string -> what rspamd does on it (GTUBE proper begins with X and is refused).
GTUBE_VARIANTS = {"add-header": "Y", "rewrite-subject": "Z", "no-action": "A"}


def eicar() -> str:
    """Return the EICAR anti-virus test string."""
    return "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTI" + "VIRUS-TEST-FILE!$H+H*"


def gtube(first: str = "X") -> str:
    """Return the GTUBE string of SpamAssassin, or with another first letter a variant of rspamd's."""
    return first + "JS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL" + "*C.34X"


def message(
    subject: str,
    body: str = "Hello Alice, lunch at noon on Tuesday?\n",
    *,
    sender: str = "ham@ext.example",
    recipient: str = "alice@test.example",
) -> EmailMessage:
    """Return a plain text message."""
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = recipient
    made["Subject"] = subject
    made["Date"] = formatdate(time.time() // 60 * 60)
    made["Message-ID"] = f"<{subject.replace(' ', '-').lower()}@{sender.partition('@')[2]}>"
    made.set_content(body)
    return made


def attached(subject: str, data: bytes, name: str) -> bytes:
    """Return a message with `data` attached as `name` (base64)."""
    made = message(subject, "see attachment\n")
    made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    made.set_boundary("=-=-postmill-boundary-=-=")
    return made.as_bytes()


def large(size: int) -> bytes:
    """Return a message with `size` bytes of noise attached, the same ones every time."""
    return attached("Large ham", random.Random(1).randbytes(size), "noise.bin")


def signed(text: bytes, key: DkimKey) -> bytes:
    """Return `text` with a DKIM signature of `key` on top."""
    signature = dkim.sign(
        text,
        SELECTOR.encode(),
        key.domain.encode(),
        key.private.read_bytes(),
        canonicalize=(b"relaxed", b"simple"),
        include_headers=[b"from", b"to", b"subject", b"date"],
    )
    return bytes(signature) + text


def verifies(text: bytes, keys: dict[str, DkimKey]) -> bool:
    """Tell whether the topmost DKIM signature of `text` is good, by the public halves in `keys`."""

    def lookup(name: bytes, timeout: float = 5) -> bytes | None:
        key = keys.get(name.decode().rstrip("."))
        return key.record.encode() if key else None

    return bool(dkim.verify(text, dnsfunc=lookup))
