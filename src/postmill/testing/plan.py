"""What a fake MTA is going to say: the client, the greeting and the messages of one session, as values.

Here belong plans only; `macros` derives the macros from a plan, `conversation` turns it into packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from postmill.testing.message import Headers, split_message
from postmill.wire.codes import ALL_ACTIONS, ALL_PROTOCOL, VERSION

Dialect = Literal["postfix", "sendmail"]
"""Whose habits to follow: macros, when macro packets and aborts are sent, what unknown commands look like."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who connects, as in the `C` packet: family is one of ``4``, ``6``, ``L`` (unix), ``U`` (unknown)."""

    host: bytes = b"localhost"
    family: bytes = b"4"
    port: int = 50025
    address: bytes = b"127.0.0.1"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT command. With `refused` the MTA itself refuses it with this reply, and shows it only on
    request.
    """

    address: bytes
    args: tuple[bytes, ...] = ()
    refused: bytes = b""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of the session.

    Header texts are everything after the colon; the body has CRLF line ends. `unknown` holds SMTP commands
    that the MTA does not know, each with the letter of the stage (``M``, ``R``, ``T``) after which it
    comes. `abort_after` is the letter of the stage after which the client resets the transaction;
    `drop_after` the one after which the MTA itself is gone: the milter connection ends without a word.
    """

    sender: bytes = b"<sender@example.com>"
    sender_args: tuple[bytes, ...] = ()
    recipients: tuple[Recipient, ...] = (Recipient(b"<user@example.org>"),)
    headers: Headers = (
        (b"From", b" sender@example.com"),
        (b"To", b" user@example.org"),
        (b"Subject", b" test"),
    )
    body: bytes = b"A test message.\r\n"
    queue_id: bytes = b"4Postmill1"
    unknown: tuple[tuple[str, bytes], ...] = ()
    abort_after: str = ""
    drop_after: str = ""


def mail_from_bytes(raw: bytes, **values: object) -> Mail:
    """A `Mail` with the content of an ``.eml`` file; `values` are further fields of `Mail`."""
    headers, body = split_message(raw)
    return Mail(headers=headers, body=body, **values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the MTA offers in `O`."""

    version: int = VERSION
    actions: int = ALL_ACTIONS
    protocol: int = ALL_PROTOCOL


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One SMTP connection. `helo` empty: the client never says HELO. `macros`: see `macros.MacroBook`."""

    client: Client = Client()
    helo: bytes = b"client.example.com"
    mails: tuple[Mail, ...] = (Mail(),)
    offer: Offer = Offer()
    like: Dialect = "postfix"
    macros: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    unknown: tuple[bytes, ...] = ()
