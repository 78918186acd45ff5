"""One message through one milter, whoever runs it: what comparisons with other milters are made of."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Recipient, SessionPlan, mail_from_bytes
from tests.interop.postfix import public_directory
from tests.stack.box import Box
from tests.stack.component import Component
from tests.stack.messages import attached, eicar, gtube, message

SAMPLES = Path("/usr/share/doc/spamassassin/examples")
"""Mail that Debian ships with SpamAssassin."""


STRANGER = Client(b"mail.ext.example", b"4", 40025, b"192.0.2.5")


@dataclass(frozen=True)
class Outcome:
    """What a milter made of a message."""

    status: str
    reply: str
    added: tuple[tuple[str, str], ...]
    """Headers that were not there before, name and value."""
    gone: tuple[str, ...]
    """Names of headers that were there before."""
    held: bool


def play(
    endpoint: str, raw: bytes, client: Client = STRANGER, to: Sequence[str] = ("alice@test.example",)
) -> Outcome:
    """Send one message to a milter."""
    recipients = tuple(Recipient(f"<{address}>".encode()) for address in to)
    mail = mail_from_bytes(raw, sender=b"<ham@ext.example>", recipients=recipients)
    (report,) = FakeMta(endpoint, timeout=60).session(SessionPlan(client=client, mails=(mail,))).mails
    return outcome(report)


def outcome(report: MailReport) -> Outcome:
    """Return what became of a message."""
    before = list(report.mail.headers)
    added = []
    for header in report.new_headers:
        if header in before:
            before.remove(header)
        else:
            added.append((header[0].decode(), header[1].decode().strip()))
    went_on = report.status in ("accept", "quarantine")
    gone = tuple(name.decode() for name, _ in before) if went_on else ()
    return Outcome(report.status, report.reply.decode(), tuple(added), gone, report.status == "quarantine")


@contextmanager
def a_box(prefix: str, zone: str | None = None) -> Iterator[Box]:
    """Give a box in a directory of its own that daemons of any user may search; with a network if with DNS."""
    directory = public_directory(prefix)
    try:
        with Box(directory / "box", zone or "", network=zone is not None) as box:
            yield box
    finally:
        shutil.rmtree(directory)


@contextmanager
def started(*components: Component) -> Iterator[None]:
    """Start components one after another; end them in the opposite order."""
    running: list[Component] = []
    try:
        for component in components:
            running.append(component.start())
        yield
    finally:
        for component in reversed(running):
            component.stop()


def in_zip(data: bytes, name: str) -> bytes:
    """Return a zip archive with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def nested(inner: bytes) -> bytes:
    """Return a message that has another one attached, which has another one attached."""
    made = message("Forwarded", "see below\n")
    middle = message("Forwarded before", "see further below\n")
    core = EmailMessage()
    core.set_content("the core\n")
    core.add_attachment(inner, maintype="application", subtype="octet-stream", filename="inner.bin")
    middle.add_attachment(core)
    made.add_attachment(middle)
    for part, mark in zip(made.walk(), "abcdefghij", strict=False):
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            part.set_boundary(f"=-=-{mark}-postmill-=-=")
    return made.as_bytes()


def messages() -> dict[str, bytes]:
    """Return messages with and without a virus, by name."""
    virus = eicar().encode()
    return {
        "ham": message("Lunch").as_bytes(),
        "no body": message("Nothing", "").as_bytes(),
        "8-bit": b"Subject: Gr\xfcn\r\n\r\nGr\xfc\xdfe, lang und breit\r\n",
        "virus as text": message("Text", eicar() + "\n").as_bytes(),
        "virus attached": attached("Attached", virus, "eicar.com"),
        "virus in a zip": attached("Zipped", in_zip(virus, "eicar.com"), "eicar.zip"),
        "virus in a zip in a zip": attached("Twice", in_zip(in_zip(virus, "eicar.com"), "a.zip"), "b.zip"),
        "virus in nested messages": nested(virus),
        "nested messages": nested(b"harmless"),
        "zip": attached("Zip", in_zip(b"harmless", "a.txt"), "a.zip"),
        "another's marks": b"X-Virus-Status: Clean\r\nX-Virus-Scanned: by me\r\nX-Virus-Status: No\r\n"
        + message("Marked").as_bytes(),
        "spam line": message("Spam", gtube() + "\n").as_bytes(),
        "large": message("Large", ("0123456789abcdef" * 4 + "\n") * 4000).as_bytes(),
    }
