"""The sample mails, what is expected of each, and the SMTP client that sends them.

Everything else that arrives is shown, too; only these are judged.
"""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from postmill.demo.fate import Fate
from postmill.demo.filters import EICAR, GTUBE, MARK
from postmill.demo.greylist import DELAY, NEWCOMER
from postmill.demo.maildir import header
from postmill.demo.row import Row
from postmill.record import MessageRecord

YOU = "you@example.org"


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail; `again`: the one before once more, that many seconds later.

    `refused_by` is the duty of the filter that is to refuse it, `marked`: one is to add a header.
    """

    title: str
    sender: str
    subject: str
    text: str
    attachment: bytes = b""
    refused_by: str = ""
    code: str = "250"
    marked: bool = False
    again: float = 0.0

    def message(self) -> bytes:
        """The message with CRLF line ends."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, YOU, self.subject
        mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain="example.org")
        mail.set_content(self.text)
        if self.attachment:
            mail.add_attachment(self.attachment, "application", "octet-stream", filename="invoice.com")
        return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


SAMPLES = (
    Sample(
        "a clean mail from a colleague",
        "colleague@example.org",
        "Lunch?",
        "At noon, as usual?\n",
    ),
    Sample(
        "spam: it has the GTUBE line",
        "offers@example.com",
        "You have won",
        f"Dear winner,\n\n{GTUBE.decode()}\n",
        refused_by="spam",
        code="550",
    ),
    Sample(
        "a virus: the EICAR test file is attached",
        "billing@example.net",
        "Your invoice",
        "Please find your invoice attached.\n",
        attachment=EICAR,
        refused_by="virus",
        code="550",
    ),
    Sample(
        "a clean mail from outside: it gets a header",
        "friend@example.com",
        "Greetings",
        "Greetings from afar!\n",
        marked=True,
    ),
    Sample(
        "a newcomer: greylisted, refused for now",
        f"stranger@{NEWCOMER}",
        "Nice to meet you",
        "We have not met yet.\n",
        refused_by="newcomers",
        code="451",
    ),
    Sample(
        "the newcomer comes back: it is let through",
        f"stranger@{NEWCOMER}",
        "Nice to meet you",
        "We have not met yet.\n",
        marked=True,
        again=DELAY + 0.5,
    ),
)


@dataclass(slots=True)
class Transcript:
    """What an SMTP client was told: command and reply in turn, in the order they came."""

    replies: list[tuple[str, str]] = field(default_factory=list)

    def add(self, command: str, reply: tuple[int, bytes]) -> bool:
        """Note a reply; tells whether it was a good one."""
        code, text = reply
        self.replies.append((command, f"{code} {text.decode('utf-8', 'backslashreplace')}"))
        return code < 400

    @property
    def last(self) -> str:
        """The reply that settled it."""
        return self.replies[-1][1]


def problems(
    sample: Sample, row: Row, transcript: Transcript, record: MessageRecord, fate: Fate | None
) -> list[str]:
    """What did not turn out as expected."""
    file = fate.file if fate is not None else None
    wanted: list[tuple[object, object, str]] = [
        (transcript.last[:3], sample.code, "the SMTP reply"),
        (record.by, row[sample.refused_by].name if sample.refused_by else "", "who decided"),
        (file is not None, not sample.refused_by, "delivered"),
    ]
    if file is not None:
        wanted.append((header(file, b"Subject"), sample.subject, "Subject of the delivered message"))
        wanted.append((bool(header(file, MARK)), sample.marked, f"{MARK.decode()} in the delivered message"))
    return [f"{what}: {have!r} instead of {want!r}" for have, want, what in wanted if have != want]


async def send(sample: Sample, port: int, host: str = "127.0.0.1") -> Transcript:
    """Send a sample to a server and say what it said."""
    return await asyncio.to_thread(_send, sample, host, port)


def _send(sample: Sample, host: str, port: int) -> Transcript:
    transcript = Transcript()
    try:
        _talk(sample, host, port, transcript)
    except OSError as error:  # all of smtplib's are
        transcript.add("then", _explained(error))
    return transcript


def _talk(sample: Sample, host: str, port: int, transcript: Transcript) -> None:
    with smtplib.SMTP(host, port, local_hostname="client.example", timeout=60) as smtp:
        transcript.add("EHLO", smtp.ehlo())
        if transcript.add("MAIL", smtp.mail(sample.sender)) and transcript.add("RCPT", smtp.rcpt(YOU)):
            transcript.add("message", smtp.data(sample.message()))


def _explained(error: OSError) -> tuple[int, bytes]:
    """The reply in an error of smtplib's; for others, what went wrong."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return error.smtp_code, text if isinstance(text, bytes) else text.encode()
    return 0, str(error).encode()
