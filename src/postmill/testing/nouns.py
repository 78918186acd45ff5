"""Mail as nouns, for testing conditions: everything that a test does not care about has a value already.

Each function makes one noun of ``postmill.api`` and takes the one before it as ``of``; the addresses are
those that RFC 5737, RFC 3849 and RFC 2606 set aside for examples.
"""

from __future__ import annotations

from ipaddress import ip_address

from postmill.api import Address, Client, Envelope, Greeting, Head, Header, Message, Recipient, Sender


def client(
    ip: str | None = "192.0.2.5", name: str = "mail.example.net", *, mta: str = "postfix", **macros: str
) -> Client:
    """Return a client; ``ip=None`` submits on the mail host itself, ``name="unknown"`` has no name."""
    if ip is None:
        return Client(name, None, 0, mta, macros)
    return Client(name, ip_address(ip), 40025, mta, macros)


def greeting(name: str = "mail.example.net", *, of: Client | None = None, **macros: str) -> Greeting:
    """Return a greeting."""
    return Greeting(of or client(), name, macros)


def sender(
    address: str = "joe@example.net",
    *,
    of: Greeting | Client | None = None,
    user: str | None = None,
    arguments: tuple[str, ...] = (),
    **macros: str,
) -> Sender:
    """Return a sender; ``user`` logged in."""
    before = of if isinstance(of, Greeting) else greeting(of=of)
    login = {} if user is None else {"auth_type": "PLAIN", "auth_authen": user}
    return Sender(before, Address.parse(address), arguments, {**login, **macros})


def recipient(address: str = "jane@example.org", *, of: Sender | None = None, **macros: str) -> Recipient:
    """Return a recipient."""
    return Recipient(of or sender(), Address.parse(address), (), macros)


def envelope(*recipients: str, of: Sender | None = None) -> Envelope:
    """Return an envelope, to one recipient if none is named."""
    before = of or sender()
    to = tuple(recipient(address, of=before) for address in recipients) or (recipient(of=before),)
    return Envelope(before, to)


def head(*headers: str, of: Envelope | None = None) -> Head:
    """Return the headers, each written as ``Subject: hello``."""
    pairs = (header.partition(":") for header in headers)
    return Head(of or envelope(), tuple(Header(name, value.removeprefix(" ")) for name, _, value in pairs))


def message(*headers: str, body: bytes = b"", of: Envelope | None = None) -> Message:
    """Return a message of headers and body."""
    return Message(head(*headers, of=of), len(body), lambda: body)
