"""One SMTP transaction as Postfix shows it to a milter (protocol §2.2, §2.3, §5, §6.1), built once as bytes.

Here: the events, their macros and the exchanges (what is written before the MTA has to wait for an answer)
that follow from a milter's negotiation answer. Not here: sockets and time (`bench.generator`). Deliberately
independent of `postmill.wire`: the benchmark must not share a bug with what it measures.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

OFFER = bytes.fromhex("0000000d4f00000006000001ff001fffff")
HDR_LEADSPC = 0x100000
CHUNK = 65535
UNIX_BUFFER = 4096
"""Bytes after which Postfix's stream hands what it holds to the kernel; on TCP it is two segments."""
INET_BUFFER = 2 * 65483


class Event(NamedTuple):
    """How one event can be switched off, and which macro list goes before it (protocol §2.1, §4.6)."""

    no_flag: int
    no_reply_flag: int
    macro_stage: int
    since_version: int = 2


EVENTS: Mapping[str, Event] = {
    "C": Event(0x1, 0x1000, 0),
    "H": Event(0x2, 0x2000, 1),
    "M": Event(0x4, 0x4000, 2),
    "R": Event(0x8, 0x8000, 3),
    "T": Event(0x200, 0x10000, 4, since_version=4),
    "L": Event(0x20, 0x80, 6),
    "N": Event(0x40, 0x40000, 6),
    "B": Event(0x10, 0x80000, 5),
    "E": Event(0, 0, 5),
}

DEFAULT_MACROS: Mapping[int, str] = {
    0: "j {daemon_name} {daemon_addr} v _",
    1: "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    2: "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    3: "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    4: "i",
    5: "i",
    6: "i",
}

ENVELOPE_ONLY = frozenset({"client_connections", "mail_addr", "mail_host", "mail_mailer"})
"""Macros that Postfix has at the SMTP stages but no longer while it shows the content (protocol §5.2)."""


def packet(letter: str, data: bytes = b"") -> bytes:
    """Return one complete packet (protocol §1.1)."""
    return struct.pack(">I", len(data) + 1) + letter.encode() + data


class Answer(NamedTuple):
    """A milter's answer to the offer (protocol §4.4 to §4.6)."""

    version: int
    protocol: int
    macro_lists: Mapping[int, str]

    @classmethod
    def parse(cls, data: bytes) -> "Answer":
        """Read the data of an `O` packet. Raises ValueError when Postfix would drop the milter for it."""
        if len(data) < 12:
            raise ValueError("negotiation answer is too short")
        version, actions, protocol = struct.unpack_from(">III", data)
        if version > 6 or actions & ~0x1FF:
            raise ValueError("negotiation answer asks for more than was offered")
        return cls(version, protocol, dict(_macro_lists(data[12:])))

    def wants(self, letter: str) -> bool:
        """Tell whether this milter is shown the event at all."""
        event = EVENTS[letter]
        return not self.protocol & event.no_flag and self.version >= event.since_version

    def awaits(self, letter: str) -> bool:
        """Tell whether the MTA shows the event and waits for an answer to it."""
        return self.wants(letter) and not self.protocol & EVENTS[letter].no_reply_flag


def _macro_lists(data: bytes) -> Iterator[tuple[int, str]]:
    while data:
        names, nul, rest = data[4:].partition(b"\0")
        if not nul:
            raise ValueError("broken symbol list in the negotiation answer")
        if names:  # an empty list means the default list to Postfix
            yield int.from_bytes(data[:4], "big"), names.decode("latin-1")
        data = rest


class Exchange(NamedTuple):
    """What the MTA writes to one milter, each item one write, before it waits for the answer to `letter`."""

    child: int
    letter: str
    writes: tuple[bytes, ...]


class Plan(NamedTuple):
    """What follows once every milter has answered CONNECT: exchanges in order, a farewell for each."""

    exchanges: tuple[Exchange, ...]
    farewells: tuple[bytes, ...]


@dataclass(frozen=True)
class Transaction:
    """The SMTP session to show: one client, one message; header values with the blank after the colon."""

    recipients: tuple[bytes, ...]
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    sender: bytes = b"a@example.com"
    helo: bytes = b"client.example.com"
    queue_id: bytes = b"CF15E23E3C2"
    client_port: int = 58660
    host: bytes = b"mx.example.org"
    relay: bytes = b"[127.0.0.1]:12600"
    known: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def _macros(self) -> dict[str, bytes]:
        return {
            "j": self.host,
            "daemon_name": self.host,
            "daemon_addr": b"127.0.0.1",
            "v": b"Postfix 3.7.11",
            "_": b"localhost [127.0.0.1]",
            "client_addr": b"127.0.0.1",
            "client_name": b"localhost",
            "client_ptr": b"localhost",
            "client_port": str(self.client_port).encode(),
            "client_connections": b"0",
            **self.known,
        }

    def _sender_macros(self) -> dict[str, bytes]:
        return {"mail_addr": self.sender, "mail_host": self.relay, "mail_mailer": b"smtp"}

    def _recipient_macros(self, position: int) -> dict[str, bytes]:
        macros = {"rcpt_addr": self.recipients[position], "rcpt_host": self.relay, "rcpt_mailer": b"smtp"}
        if position:  # Postfix opens the queue file after the first valid recipient
            macros["i"] = self.queue_id
        return self._macros | self._sender_macros() | macros

    def envelope(self) -> Iterator[tuple[str, bytes, Mapping[str, bytes]]]:
        """Yield letter, data and the macros known at that time of H, M, each R, and T."""
        yield "H", self.helo + b"\0", self._macros
        yield "M", b"<" + self.sender + b">\0", self._macros | self._sender_macros()
        for position, address in enumerate(self.recipients):
            yield "R", b"<" + address + b">\0", self._recipient_macros(position)
        yield "T", b"", self._macros | self._sender_macros() | {"i": self.queue_id}

    def content(self, leadspc: bool) -> Iterator[tuple[str, bytes, Mapping[str, bytes]]]:
        """Yield letter, data and macros of each L, of N, each B, and E."""
        macros = {k: v for k, v in self._macros.items() if k not in ENVELOPE_ONLY} | {"i": self.queue_id}
        for name, text in self.headers:
            value = text if leadspc else text.removeprefix(b" ")
            yield "L", name + b"\0" + value + b"\0", macros
        yield "N", b"", macros
        for start in range(0, len(self.body), CHUNK):
            yield "B", self.body[start : start + CHUNK], macros
        yield "E", b"", macros

    def connect(self, answer: Answer) -> bytes:
        """Return the macros of CONNECT and, unless the milter declined it, CONNECT itself."""
        data = b"localhost\x004" + struct.pack(">H", self.client_port) + b"127.0.0.1\0"
        return _shown(answer, "C", data, self._macros)

    def plan(self, answers: Sequence[Answer], buffer: int) -> Plan:
        """Return the rest of the session, for milters that gave these answers and were sent CONNECT.

        Envelope events go to milter 1, 2, 3 in turn; the content wholly to 1, then to 2, then to 3.
        """
        waiting = [b"" if answer.awaits("C") else self.connect(answer) for answer in answers]
        exchanges: list[Exchange] = []

        def show(child: int, letter: str, data: bytes, macros: Mapping[str, bytes]) -> None:
            answer = answers[child]
            waiting[child] += _shown(answer, letter, data, macros)
            if answer.awaits(letter):
                exchanges.append(Exchange(child, letter, _writes(waiting[child], buffer)))
                waiting[child] = b""

        for event in self.envelope():
            for child in range(len(answers)):
                show(child, *event)
        for child, answer in enumerate(answers):
            for event in self.content(bool(answer.protocol & HDR_LEADSPC)):
                show(child, *event)
        goodbye = packet("A") + packet("A") + packet("Q")
        return Plan(tuple(exchanges), tuple(rest + goodbye for rest in waiting))


def _shown(answer: Answer, letter: str, data: bytes, macros: Mapping[str, bytes]) -> bytes:
    wanted = answer.wants(letter)
    if not wanted and (letter in "LNB" or answer.version < EVENTS[letter].since_version):
        return b""  # of declined events only C H M R T keep their macros (protocol §5.4)
    shown = packet("D", letter.encode() + _macro_pairs(answer, letter, macros))
    return shown + packet(letter, data) if wanted else shown


def _macro_pairs(answer: Answer, letter: str, macros: Mapping[str, bytes]) -> bytes:
    stage = EVENTS[letter].macro_stage
    names = answer.macro_lists.get(stage, DEFAULT_MACROS[stage]).replace(",", " ").split()
    values = ((name, macros.get(name.strip("{}"))) for name in names)
    return b"".join(name.encode() + b"\0" + value + b"\0" for name, value in values if value is not None)


def _writes(data: bytes, buffer: int) -> tuple[bytes, ...]:
    return tuple(data[start : start + buffer] for start in range(0, len(data), buffer))


def standard() -> Transaction:
    """Return the session of all published numbers: 2 recipients, 12 headers, a body of 8 KB."""
    line = b"The quick brown fox jumps over the lazy dog, again and again, 78 bytes.......\r\n"
    headers = (
        (b"Return-Path", b" <a@example.com>"),
        (b"Received", b" from client.example.com (localhost [127.0.0.1])\n"
         b"\tby relay.example.com with ESMTP id 4F1\n\tfor <user1@example.org>; Mon, 1 Jan 2024"),
        (b"From", b" Alice Example <a@example.com>"),
        (b"To", b" user1@example.org, user2@example.org"),
        (b"Subject", b" A message of ordinary size for two recipients"),
        (b"Message-ID", b" <20240101000000.1@example.com>"),
        (b"Date", b" Mon, 1 Jan 2024 00:00:00 +0000"),
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b" text/plain; charset=utf-8"),
        (b"Content-Transfer-Encoding", b" 7bit"),
        (b"User-Agent", b" Mail/1.0"),
        (b"X-Mailer", b" bench"),
    )  # fmt: skip
    body = (line * (8192 // len(line) + 1))[:8190] + b"\r\n"
    return Transaction((b"user1@example.org", b"user2@example.org"), headers, body)
