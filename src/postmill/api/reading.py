"""From what an MTA sends to the nouns that authors are given (``nouns``); protocol §2, §5."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from postmill.api.nouns import Address, Client, Header, IPAddress
from postmill.errors import RemoteProtocolError
from postmill.wire.codes import Command
from postmill.wire.commands import Connect
from postmill.wire.packets import decode_command
from postmill.wire.symbols import Pairs, bare

_NAMES = 256
"""How many names of macros are remembered; an MTA sends the same few all the time."""

_ADDRESSES = 4096
"""How many addresses of clients are remembered: who has mail for us once mostly has more."""


def text_of(data: bytes) -> str:
    """Return bytes as text; what is not UTF-8 shows as escapes."""
    return data.decode("utf-8", "backslashreplace")


def macros_of(pairs: Pairs) -> dict[str, str]:
    """Return the macros of a ``D`` packet, names without braces."""
    return {_name_of(name): text_of(value) for name, value in pairs}


@lru_cache(_NAMES)
def _name_of(macro: bytes) -> str:
    return text_of(bare(macro))


def mta_of(macros: Pairs) -> str:
    """Tell by the macros of CONNECT whether this is ``postfix`` or ``sendmail``, empty for neither (§5.2)."""
    known = dict(macros)
    version = known.get(b"v", b"")
    if version.startswith(b"Postfix"):
        return "postfix"
    return "sendmail" if version[:1].isdigit() or b"{if_name}" in known else ""


def client_of(payload: bytes, macros: Pairs, mta: str) -> Client:
    """Return who connected; without an address where the payload of CONNECT is malformed."""
    try:
        connect = decode_command(Command.CONNECT, payload)
    except RemoteProtocolError:  # passed on as it came; the children judge it
        return Client(text_of(payload.partition(b"\0")[0]), None, 0, mta, macros_of(macros))
    assert isinstance(connect, Connect)
    return client_from(connect, macros, mta)


def client_from(connect: Connect, macros: Pairs, mta: str) -> Client:
    """Return who connected."""
    ip = _address(connect.address) if connect.family in (b"4", b"6") else None
    return Client(text_of(connect.host), ip, connect.port, mta, macros_of(macros))


def path_of(payload: bytes) -> tuple[Address, tuple[str, ...]]:
    """Return address and ESMTP arguments of MAIL or RCPT."""
    return path_from(*(payload.split(b"\0")[:-1] or [payload]))


def path_from(path: bytes, *arguments: bytes) -> tuple[Address, tuple[str, ...]]:
    """Return the same of the strings that the payload consists of."""
    return Address.parse(path), tuple(map(text_of, arguments))


def header_of(name: bytes, text: bytes) -> Header:
    """Return a header whose ``text`` is all that stands behind the colon, folds written with LF."""
    raw = name + b":" + text
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    value = text[1:] if text[:1] == b" " else text
    return Header(name.decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace"), raw)


@lru_cache(_ADDRESSES)
def _address(text: bytes) -> IPAddress | None:
    """Read the address of CONNECT; an IPv4 address in IPv6 clothes is one of IPv4 (RFC 4291 §2.5.5.2)."""
    word = text_of(text)
    word = word[5:] if word[:5].lower() == "ipv6:" else word
    try:
        found = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
