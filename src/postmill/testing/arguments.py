"""What people type to describe a session: addresses of clients, recipients, macros, flags, turned into plan
values.

Here belongs the reading of option values that several commands share; every fault is a NotationError that
shows the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate, make_msgid
from ipaddress import IPv6Address, ip_address

from postmill.errors import EndpointError
from postmill.testing.message import Headers
from postmill.testing.plan import Client, Recipient
from postmill.testing.words import NotationError, stage_letter
from postmill.wire.codes import Action, Protocol
from postmill.wire.endpoint import parse_endpoint

DEFAULT_PORT = 50025
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^]]+)\]|(?P<v4>[^:]+))(?::(?P<port>\d+))?")


def raw(text: str) -> bytes:
    """Text of the command line as the bytes that were typed."""
    return text.encode("utf-8", "surrogateescape")


def client(host: str, address: str) -> Client:
    """The client of the `C` packet.

    `address` is an IP address, with ``:port`` if wanted (``192.0.2.1:2525``, ``[2001:db8::1]:25``), an
    endpoint such as ``inet:2525@192.0.2.1`` or ``unix:/path``, or ``unknown`` for a client without address.
    """
    name = raw(host)
    if address == "unknown":
        return Client(name, b"U", 0, b"")
    if address.startswith(("unix:", "local:", "/", "inet:", "inet6:")):
        return _client_at_endpoint(name, address)
    try:
        return _client_at_ip(name, address, DEFAULT_PORT)
    except ValueError:
        pass
    found = _HOST_PORT.fullmatch(address)
    try:
        if found is None:
            raise ValueError(address)
        return _client_at_ip(name, found["v6"] or found["v4"], int(found["port"] or DEFAULT_PORT))
    except ValueError:
        forms = "192.0.2.1, 192.0.2.1:2525, [2001:db8::1]:2525, unix:/path or unknown"
        raise NotationError(f"{address!r} is no client address; write {forms}") from None


def _client_at_endpoint(name: bytes, address: str) -> Client:
    try:
        endpoint = parse_endpoint(address)
        if endpoint.kind == "unix":
            return Client(name, b"L", 0, raw(endpoint.path))
        return _client_at_ip(name, endpoint.host, endpoint.port)
    except EndpointError as error:
        raise NotationError(str(error)) from error
    except ValueError as error:
        raise NotationError(f"{address!r}: the host of a client address must be an IP address") from error


def _client_at_ip(name: bytes, address: str, port: int) -> Client:
    ip = ip_address(address)
    return Client(name, b"6" if isinstance(ip, IPv6Address) else b"4", port, str(ip).encode())


def bracketed(address: str) -> bytes:
    """An address with angle brackets, added if missing."""
    text = raw(address)
    return text if text.startswith(b"<") else b"<" + text + b">"


def recipient(text: str, args: Iterable[str] = (), *, bare: bool = False) -> Recipient:
    """A recipient from ``ADDRESS [ARG…]``; `args` are further ESMTP arguments. `bare` keeps the address as
    it is.
    """
    address, *own = text.split()
    return Recipient(raw(address) if bare else bracketed(address), tuple(map(raw, (*own, *args))))


def refused_recipient(text: str) -> Recipient:
    """A recipient that the MTA itself refuses, from ``ADDRESS=REPLY``; the reply may be left out."""
    address, _, reply = text.partition("=")
    return Recipient(bracketed(address), refused=raw(reply or "550 5.1.1 User unknown"))


def macros(texts: Iterable[str]) -> dict[str, dict[bytes, bytes]]:
    """Macros from ``STAGE:NAME=VALUE`` (``connect:{if_addr}=192.0.2.9``; the sign after NAME may be
    ``:``).
    """
    found: dict[str, dict[bytes, bytes]] = {}
    for text in texts:
        stage, colon, pair = text.partition(":")
        if not colon:
            raise NotationError(f"{text!r} does not have the form STAGE:NAME=VALUE")
        name, value = macro(pair)
        found.setdefault(stage_letter(stage), {})[name] = value
    return found


def macro(text: str) -> tuple[bytes, bytes]:
    """Name and value from ``NAME=VALUE`` or ``NAME:VALUE``; long names get their braces."""
    found = re.fullmatch(r"(\{[^}]+\}|[^:={}]+)[:=](.*)", text, re.DOTALL)
    if found is None:
        raise NotationError(f"{text!r} does not have the form NAME=VALUE")
    name = found[1]
    braced = name if len(name) == 1 or name.startswith("{") else f"{{{name}}}"
    return raw(braced), raw(found[2])


def header(text: str) -> tuple[bytes, bytes]:
    r"""Name and text from ``NAME:VALUE``; one blank after the colon is added unless there is one. ``\n``
    folds.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise NotationError(f"{text!r} does not have the form NAME:VALUE")
    value = value.replace("\\n", "\n")
    return raw(name.strip()), raw(value if value[:1] in (" ", "\t") else " " + value)


def default_headers(sender: bytes, recipients: Iterable[Recipient]) -> Headers:
    """Headers of a test message, with the present date and a new Message-ID."""
    return (
        (b"From", b" " + sender),
        (b"To", b" " + b", ".join(one.address for one in recipients)),
        (b"Subject", b" Test message"),
        (b"Date", b" " + formatdate(localtime=True).encode()),
        (b"Message-ID", b" " + make_msgid(domain="postmill.invalid").encode()),
    )


def flags(text: str, kind: type[Action] | type[Protocol]) -> int:
    """Flags as a number (``0x1ff``) or as names (``ADDHDRS,CHGBODY``); ``all`` and ``none`` are names, too.

    A name with ``-`` in front is taken away from what stands before it: ``all,-SKIP``.
    """
    total = 0
    for word in re.split(r"[,|\s]+", text.strip()):
        total = _with_flag(total, word, kind)
    return total


def _with_flag(total: int, word: str, kind: type[Action] | type[Protocol]) -> int:
    minus, name = word.startswith("-"), word.removeprefix("-").upper()
    if name in kind.__members__:
        value = int(kind[name])
    elif name in ("ALL", "NONE"):
        value = (0x1FF if kind is Action else 0x1FFFFF) if name == "ALL" else 0
    else:
        try:
            value = int(name, 0)
        except ValueError:
            names = ", ".join(kind.__members__)
            raise NotationError(f"unknown flag {word!r}; flags are a number, all, none, {names}") from None
    return total & ~value if minus else total | value


def unknown_commands(texts: Iterable[str]) -> tuple[tuple[bytes, ...], tuple[tuple[str, bytes], ...]]:
    """SMTP commands unknown to the MTA, from ``[STAGE:]COMMAND``: those after HELO, and those after a
    stage.
    """
    early: list[bytes] = []
    staged: list[tuple[str, bytes]] = []
    for text in texts:
        stage, colon, command = text.partition(":")
        if colon and stage.lower() in ("mail", "rcpt"):
            staged.append((stage_letter(stage), raw(command)))
        else:
            early.append(raw(text))
    return tuple(early), tuple(staged)
