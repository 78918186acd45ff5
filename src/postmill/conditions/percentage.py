"""The condition ``percentage``: a share of the mail, always the same one, to try a milter on.

Who belongs to the share is a matter of a hash: nothing is remembered, and every process says the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network

from postmill.api import (
    Address,
    Applies,
    Apply,
    Client,
    Envelope,
    Recipient,
    Sender,
    Skip,
    condition,
    key,
    required,
)
from postmill.api.domains import ascii_domain
from postmill.api.kinds import Choice, Text
from postmill.api.mail_kinds import Percent


@dataclass(frozen=True, slots=True)
class Settings:
    """How much, and by what."""

    of: float = required(Percent(), "The share of mail about which the milter is asked, in percent.")
    by: str = key(
        Choice(("sender", "recipient", "client")),
        "sender",
        "Whose mail stays together: a sender's, a (first) recipient's, or a client's.",
    )
    salt: str = key(Text(), "", "Any text; another one makes another choice of the same size.")


@condition("percentage", Settings)
def percentage(noun: Client | Sender | Recipient | Envelope, settings: Settings) -> Applies | None:
    """Ask the milter only about a share of the mail: a canary.

    The same senders (or recipients, or clients) are always in it, and stay in it when the share grows. A
    client is its address, with IPv6 the first 64 bits of it. Of several recipients the first counts. Bounces
    all have the same sender, the empty one, so they are in or out together.
    """
    who = _key(noun, settings.by)
    if who is None:
        return Skip("there is no recipient") if isinstance(noun, Envelope) else None
    place = placed(who, settings.salt)
    shown = f"{settings.by} {who or '<>'} is at {place:.2f} of 100"
    if place < settings.of:
        return Apply(f"{shown}, within {settings.of:g} %")
    return Skip(f"{shown}, beyond {settings.of:g} %")


def placed(who: str, salt: str) -> float:
    """Return the place of a key among all keys, from 0 up to 100."""
    digest = hashlib.sha256(f"{salt}\0{who}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") * 100 / 2**64


def _key(noun: Client | Sender | Recipient | Envelope, by: str) -> str | None:
    """Return what the choice is made by, None as long as it is not known."""
    if by == "client":
        return _client(noun if isinstance(noun, Client) else noun.client)
    if isinstance(noun, Sender) and by == "sender":
        return _address(noun.address)
    if isinstance(noun, Recipient) and by == "recipient":
        return _address(noun.address)
    if isinstance(noun, Envelope) and by == "sender":
        return _address(noun.sender.address)
    if isinstance(noun, Envelope) and noun.recipients:
        return _address(noun.recipients[0].address)
    return None


def _client(client: Client) -> str:
    ip = client.ip
    if ip is None:
        return client.name
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


def _address(address: Address) -> str:
    domain, local = ascii_domain(address.unquoted.domain), address.unquoted.local.lower()
    return f"{local}@{domain}" if domain else local
