"""What is known at each stage: ``Client → Greeting → Sender → Recipient → Envelope → Head → Message``.

Each noun holds the earlier ones; what is not known yet is no attribute, so asking too early is a type error.
All are values: whoever gets one may keep it. Text is decoded as UTF-8 with ``backslashreplace``; macro names
stand without braces (``auth_authen``), values as the MTA sent them (protocol §5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from postmill.api.header_text import QUOTED, without_comments

IPAddress = IPv4Address | IPv6Address
_NO_MACROS: Mapping[str, str] = {}
_IN_BRACKETS = re.compile(rf'(?:[^"<]|{QUOTED}")*<(.*)>', re.DOTALL)
_NOT_BARE = re.compile(rb"[\s(<>]")
_BLANKS = re.compile(rf'({QUOTED}"?)|\s+', re.DOTALL)


def _bare(text: str) -> str:
    """Return what is left of an address without comments, blanks and a name before it."""
    text = without_comments(text).strip()
    for _ in range(2):  # <Joe <joe@example.org>>
        if found := _IN_BRACKETS.fullmatch(text):
            text = found[1].strip()
    text = _BLANKS.sub(r"\1", text)
    return text.partition(":")[2] if text.startswith("@") and ":" in text else text


@dataclass(frozen=True, slots=True)
class Address:
    """An envelope address (RFC 5321 §4.1.2), as given in angle brackets; empty for the null sender."""

    text: str
    raw: bytes = field(default=b"", repr=False, compare=False)
    """Its bytes as the MTA gave them, between the angle brackets."""

    def __post_init__(self) -> None:
        if not self.raw:
            object.__setattr__(self, "raw", self.text.encode("utf-8", "surrogateescape"))

    @classmethod
    def parse(cls, path: str | bytes) -> Address:
        """Take ``<local@domain>`` or the bare address; a source route (RFC 5321 appendix C) is dropped.

        So are comments, blanks and a name before the address, as an MTA drops them that lets them pass
        (``strict_rfc821_envelopes`` in postconf(5)); quotes stay. ``raw`` has all but the route.
        """
        raw = (path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path).strip()
        if raw.startswith(b"<") and raw.endswith(b">"):
            raw = raw[1:-1].strip()
        if raw.startswith(b"@") and b":" in raw:
            raw = raw.partition(b":")[2]
        text = raw.decode("utf-8", "backslashreplace")
        return cls(_bare(text) if _NOT_BARE.search(raw) else text, raw)

    @property
    def unquoted(self) -> Address:
        r"""The address that is meant: ``"joe"@example.org`` and ``"j\oe"@example.org`` are Joe's, too.

        Quotes and backslashes are a way to write a local part, no letters of it (RFC 5321 §4.1.2). This one
        is for comparing; what is told to an MTA needs them.
        """
        return Address(re.sub(r'\\(.)|"', r"\1", self.text))

    @property
    def local(self) -> str:
        """The part before the last ``@``, with its quotes; the whole where there is none."""
        return self.text.rpartition("@")[0] if "@" in self.text else self.text

    @property
    def domain(self) -> str:
        """The part after the last ``@``, in lower case and without a final dot; empty where there is none."""
        return self.text.rpartition("@")[2].lower().removesuffix(".") if "@" in self.text else ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Client:
    """CONNECT: who connected to the MTA (protocol §2.3)."""

    name: str
    """Host name as the MTA verified it; ``unknown`` or ``[address]`` where it could not."""
    ip: IPAddress | None
    """Its address, IPv4 where one came mapped into IPv6; None for a local submission or a unix socket."""
    port: int = 0
    mta: str = ""
    """``postfix`` or ``sendmail``; empty as long as it is not known."""
    macros: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_name(self) -> bool:
        """Whether the MTA found a name that leads back to the address."""
        return bool(self.name) and self.name != "unknown" and not self.name.startswith("[")


@dataclass(frozen=True, slots=True)
class Greeting:
    """HELO or EHLO; TLS is settled by then (macros ``tls_version``, ``cert_subject`` …)."""

    client: Client
    name: str
    """What the client calls itself; empty where it sent no greeting."""
    macros: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM; authentication is settled by then."""

    greeting: Greeting
    address: Address
    arguments: tuple[str, ...] = ()
    """ESMTP arguments such as ``SIZE=1000`` (RFC 5321 §3.3)."""
    macros: Mapping[str, str] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """Who connected."""
        return self.greeting.client

    @property
    def user(self) -> str | None:
        """The authenticated user (macro ``auth_authen``, else ``auth_author``); None: nobody logged in."""
        if self.macros.get("auth_authen") or self.macros.get("auth_type"):
            return self.macros.get("auth_authen") or self.macros.get("auth_author") or ""
        return None

    @property
    def announced_size(self) -> int | None:
        """Bytes that the client announced with SIZE (RFC 1870), None where it did not."""
        for argument in self.arguments:
            name, _, value = argument.partition("=")
            if name.upper() == "SIZE" and value.isdecimal():
                return int(value)
        return None


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT TO: one recipient that the MTA takes."""

    sender: Sender
    address: Address
    arguments: tuple[str, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """Who connected."""
        return self.sender.client


@dataclass(frozen=True, slots=True)
class Envelope:
    """DATA: sender and all recipients that nobody refused."""

    sender: Sender
    recipients: tuple[Recipient, ...]
    macros: Mapping[str, str] = field(default_factory=dict)
    """Those of DATA, and of the end of headers or message once that is there; the latest value of each."""

    @property
    def client(self) -> Client:
        """Who connected."""
        return self.sender.client


@dataclass(frozen=True, slots=True)
class Header:
    """One header: its name as written, its value unfolded by nobody (RFC 5322 §2.2)."""

    name: str
    value: str
    raw: bytes = field(default=b"", repr=False, compare=False)
    """Its bytes in the message, from the name to before the last line end; folds end in CRLF."""

    def __post_init__(self) -> None:
        if not self.raw:
            text = f"{self.name}: {self.value}".encode("utf-8", "surrogateescape")
            object.__setattr__(self, "raw", text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@dataclass(frozen=True, slots=True)
class Head:
    """The headers, with the edits of the milters before."""

    envelope: Envelope
    headers: tuple[Header, ...]

    @property
    def sender(self) -> Sender:
        """Who sent it."""
        return self.envelope.sender

    @property
    def client(self) -> Client:
        """Who connected."""
        return self.envelope.client

    @property
    def raw(self) -> bytes:
        """All headers as bytes, each with its CRLF, without the empty line that ends them."""
        return b"".join(header.raw + b"\r\n" for header in self.headers)

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of every header of that name, whatever its case, in order.

        Blanks between name and colon do not count (RFC 5322 §4.5).
        """
        wanted = name.lower()
        return tuple(header.value for header in self.headers if header.name.rstrip().lower() == wanted)


@dataclass(frozen=True)
class Message:
    """The whole message, with the edits of the milters before."""

    head: Head
    body_size: int
    """Bytes of the body with its line ends as CRLF."""
    read_body: Callable[[], bytes] = field(repr=False, compare=False)

    @cached_property
    def body(self) -> bytes:
        """The body as the MTA showed it; read when it is first asked for."""
        return self.read_body()

    @cached_property
    def raw(self) -> bytes:
        """The whole message as it travels: headers, empty line, body, with line ends as CRLF."""
        return self.head.raw + b"\r\n" + self.body

    @cached_property
    def size(self) -> int:
        """Bytes of headers and body together, as they travel (RFC 1870 §3)."""
        return sum(len(header.raw) + 2 for header in self.head.headers) + 2 + self.body_size

    @property
    def envelope(self) -> Envelope:
        """Sender and recipients."""
        return self.head.envelope

    @property
    def sender(self) -> Sender:
        """Who sent it."""
        return self.head.sender

    @property
    def client(self) -> Client:
        """Who connected."""
        return self.head.client


Noun = Client | Greeting | Sender | Recipient | Envelope | Head | Message
NOUNS: tuple[type[Noun], ...] = (Client, Greeting, Sender, Recipient, Envelope, Head, Message)
"""In the order in which they become known."""
