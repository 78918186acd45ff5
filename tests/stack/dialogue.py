"""The SMTP client of the real-component tests: says its part whatever the answers are, and keeps them."""

from __future__ import annotations

import smtplib
from collections.abc import Iterable
from dataclasses import dataclass

TIMEOUT = 60


@dataclass(frozen=True)
class Client:
    """Who connects. An address other than loopback's is claimed with XCLIENT (Postfix)."""

    address: str = "127.0.0.1"
    name: str = "localhost"


@dataclass(frozen=True)
class Mail:
    """One message with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Reply:
    """What the server answered to `said`."""

    said: str
    code: int
    text: str


class Dialogue:
    """One SMTP session; `replies` grows with each command."""

    def __init__(self, port: int, client: Client) -> None:
        self.replies: list[Reply] = []
        self._smtp = smtplib.SMTP(timeout=TIMEOUT)
        self._keep("(connect)", *self._smtp.connect("127.0.0.1", port))
        self.say(f"EHLO {client.name}")
        if client.address != "127.0.0.1":
            self.say(f"XCLIENT ADDR={client.address} NAME={client.name}")
            self.say(f"EHLO {client.name}")

    def say(self, line: str) -> int:
        """Send one command line; return the reply code."""
        try:
            return self._keep(line, *self._smtp.docmd(line))
        except smtplib.SMTPServerDisconnected:
            return self._keep(line, 0, b"(closed)")

    def send(self, mail: Mail) -> int:
        """Take one message as far as the server lets it go; return the last reply code."""
        if self.say(f"MAIL FROM:<{mail.sender}>") >= 400:
            return self.replies[-1].code
        accepted = [self.say(f"RCPT TO:<{recipient}>") < 300 for recipient in mail.recipients]
        if not any(accepted):
            self.say("RSET")
            return self.replies[-2].code
        if self.say("DATA") != 354:
            self.say("RSET")
            return self.replies[-2].code
        return self._content(mail.content)

    def close(self) -> None:
        """Say QUIT."""
        self.say("QUIT")
        self._smtp.close()

    def _content(self, content: bytes) -> int:
        text = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
        dotted = text.replace(b"\r\n.", b"\r\n..")
        if dotted.startswith(b"."):
            dotted = b"." + dotted
        self._smtp.send(dotted + b".\r\n")
        return self._keep("(message)", *self._smtp.getreply())

    def _keep(self, said: str, code: int, text: bytes) -> int:
        self.replies.append(Reply(said, code, text.decode("latin-1")))
        return code


def converse(port: int, client: Client, steps: Iterable[Mail | str]) -> list[Reply]:
    """Hold a whole session of messages and bare command lines; return every reply."""
    dialogue = Dialogue(port, client)
    for step in steps:
        if isinstance(step, Mail):
            dialogue.send(step)
        else:
            dialogue.say(step)
    dialogue.close()
    return dialogue.replies
