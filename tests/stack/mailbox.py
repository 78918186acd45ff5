"""Where the tests' mail ends: an SMTP server on loopback that takes everything and keeps the exact bytes."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.interop.postfix import free_port


@dataclass(frozen=True)
class Delivered:
    """One message as it left the MTA."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Name and value of each header from top to bottom, folding kept, line ends as LF."""
        block = self.content.partition(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n", "\n")
        fields: list[tuple[str, str]] = []
        for line in block.split("\n"):
            if line[:1] in (" ", "\t") and fields:
                name, value = fields[-1]
                fields[-1] = (name, f"{value}\n{line}")
            else:
                name, _, value = line.partition(":")
                fields.append((name, value))
        return fields

    def header(self, name: str) -> str:
        """Return the values of all headers called `name`, joined; empty when there is none."""
        return "\n".join(value for key, value in self.headers if key.lower() == name.lower())


class Mailbox:
    """The server as a context manager; `take` empties it."""

    def __init__(self) -> None:
        self.port = free_port()
        self._kept: list[Delivered] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message (called by aiosmtpd)."""
        content = envelope.original_content or b""
        self._kept.append(Delivered(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return "250 2.0.0 kept"

    def __len__(self) -> int:
        return len(self._kept)

    def take(self) -> list[Delivered]:
        """Return what has arrived since the last call."""
        kept, self._kept[:] = list(self._kept), []
        return kept

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._controller.stop()
