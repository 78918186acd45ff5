"""Things in other things: archives, parts of messages, and messages in messages."""

from __future__ import annotations

import binascii
import io
import tarfile
import zipfile
from email.message import EmailMessage

from tests.stack.messages import message

BOUNDARY = "=-=-postmill-boundary-=-="


def in_zip(data: bytes, name: str) -> bytes:
    """Return a zip archive with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def in_tar(data: bytes, name: str) -> bytes:
    """Return a compressed tar archive with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def quoted(subject: str, data: bytes, name: str) -> bytes:
    """Return a message with data attached in quoted-printable, every byte of it quoted."""
    made = message(subject, "see attachment\n")
    made.add_attachment(b"", maintype="application", subtype="octet-stream", filename=name)
    (part,) = made.iter_attachments()
    part.replace_header("Content-Transfer-Encoding", "quoted-printable")
    letters = "".join(f"={byte:02X}" for byte in data)
    part.set_payload("=\r\n".join(letters[at : at + 60] for at in range(0, len(letters), 60)))
    made.set_boundary(BOUNDARY)
    return made.as_bytes()


def uuencoded(data: bytes, name: str) -> str:
    """Return a file as it was put into the text of a mail before there was MIME."""
    lines = [binascii.b2a_uu(data[at : at + 45]).decode() for at in range(0, len(data), 45)]
    return "".join((f"begin 644 {name}\n", *lines, "`\nend\n"))


def with_html(subject: str, text: str) -> bytes:
    """Return a message with a text in its HTML part only."""
    made = message(subject, "see the other part\n")
    made.add_alternative(f"<p>{text}</p>\n", subtype="html")
    made.set_boundary(BOUNDARY)
    return made.as_bytes()


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
