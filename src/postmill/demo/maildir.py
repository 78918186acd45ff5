"""Where the demo's mail ends: a Maildir for what was accepted, another for what was held.

Here belong the header lines that an MTA puts on top when it delivers (RFC 5321 §4.4), and finding a message
again.
"""

from __future__ import annotations

import mailbox
import re
from email.utils import formatdate
from pathlib import Path

from postmill.testing.message import join_message
from postmill.testing.outcome import MailReport


class Post:
    """A pair of Maildirs below one directory."""

    def __init__(self, directory: Path) -> None:
        self.inbox = directory / "Maildir"
        self.held = directory / "Quarantine"
        self._boxes = {path: mailbox.Maildir(path) for path in (self.inbox, self.held)}

    def deliver(self, report: MailReport, helo: bytes, hostname: str) -> Path:
        """Store an accepted or held message as its filters left it; returns the file."""
        box = self.held if report.status == "quarantine" else self.inbox
        lines = [b"Return-Path: " + report.new_sender]
        lines += [b"Delivered-To: " + to.strip(b"<>") for to in report.new_recipients]
        lines += _received(report.mail.queue_id, helo, hostname)
        top = b"".join(line + b"\n" for line in lines)
        message = join_message(report.new_headers, report.new_body).replace(b"\r\n", b"\n")
        return box / "new" / self._boxes[box].add(top + message)


def _received(queue_id: bytes, helo: bytes, hostname: str) -> list[bytes]:
    return [
        b"Received: from " + (helo or b"unknown") + b" (localhost [127.0.0.1])",
        b"\tby " + hostname.encode() + b" (Postmill demo) with ESMTP id " + queue_id + b";",
        b"\t" + formatdate(localtime=True).encode(),
    ]


def find(directory: Path, queue_id: str) -> Path | None:
    """The message in a Maildir that carries this queue id in its Received header, if it is there yet."""
    wanted = re.compile(rb" id " + re.escape(queue_id.encode()) + rb"[;\n]")
    return next((file for file in sorted((directory / "new").glob("*")) if wanted.search(_head(file))), None)


def header(file: Path, name: bytes) -> str:
    """The value of a header of a stored message; empty when there is none, or no such message any more."""
    for line in _head(file).split(b"\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name.lower():
            return value.strip().decode("utf-8", "backslashreplace")
    return ""


def _head(file: Path) -> bytes:
    """The header section; empty when somebody has taken the message away."""
    try:
        return file.read_bytes().partition(b"\n\n")[0] + b"\n"
    except FileNotFoundError:
        return b""
