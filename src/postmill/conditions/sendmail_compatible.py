"""The condition ``sendmail-compatible``: Postfix's sessions with the macros that Sendmail would have sent.

For milters that were written for Sendmail and miss some (protocol §5.1 and §5.2). It leaves nobody out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from postmill.api import Applies, Apply, Client, Clock, condition, key
from postmill.api.kinds import Flag, Text

PLACEHOLDER = "NOQUEUE-"
"""What a placeholder for the queue id begins with: Postfix's own word for mail without a queue file."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What cannot be seen from here."""

    if_addr: str = key(
        Text(r"[0-9A-Fa-f:.]*", 'an address, or ""'),
        "",
        "The address at which the MTA takes mail, where it sends no `daemon_addr`, as Postfix before 3.2.",
    )
    if_name: str = key(
        Text(r"[^\0\s]*", 'a host name, or ""'),
        "",
        "The name of that address, where it is not the MTA's own name.",
    )
    daemon_port: str = key(
        Text(r"[A-Za-z0-9-]*", 'a port such as "25", or "" for none'),
        "25",
        "The port at which the MTA takes mail, where it does not say.",
    )
    placeholder: bool = key(
        Flag(), True, "Give a placeholder for the queue id as long as Postfix has none; see above."
    )


@condition("sendmail-compatible", Settings)
def sendmail_compatible(client: Client, settings: Settings, clock: Clock) -> Applies:
    """Give the milter macros that Sendmail sends and Postfix does not; it is asked in either case.

    - `if_addr`: the address at which the MTA took the connection, Postfix's `daemon_addr`. As in Sendmail,
      one of IPv6 has `IPv6:` before it, and there is none for a loopback address.
    - `if_name`: the name of the host at that address, Postfix's `j` or else `daemon_name`.
    - `daemon_port`: the port at which the MTA takes mail.
    - `i`: the queue id. Sendmail has one from MAIL on, Postfix only after the first recipient. Until then the
      milter gets a placeholder: `NOQUEUE-` and twelve hexadecimal digits, other ones for each session, in no
      log of the MTA. Postfix's own takes its place as soon as there is one.

    What the MTA sends itself is never replaced, and nothing is added to the sessions of Sendmail.
    """
    if client.mta != "postfix":
        return Apply(f"the MTA is {client.mta or 'not known'}, not Postfix: no macros are added")
    macros = {name: value for name, value in _macros(client, settings, clock) if value}
    added = {name: value for name, value in macros.items() if name not in client.macros}
    names = ", ".join(f"{name}={value}" for name, value in added.items())
    return Apply(f"as Sendmail would send: {names}" if names else "Postfix sends all macros itself", added)


def _macros(client: Client, settings: Settings, clock: Clock) -> Iterator[tuple[str, str]]:
    yield "if_addr", interface(settings.if_addr or client.macros.get("daemon_addr", ""))
    yield "if_name", settings.if_name or client.macros.get("j") or client.macros.get("daemon_name", "")
    yield "daemon_port", settings.daemon_port
    yield "i", placeholder(client, clock) if settings.placeholder else ""


def interface(address: str) -> str:
    """Return an address as Sendmail writes ``if_addr``; empty for loopback addresses and what is none."""
    try:
        ip = ip_address(address.removeprefix("IPv6:"))
    except ValueError:
        return ""
    ip = (isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip
    if ip.is_loopback:
        return ""
    return f"IPv6:{ip}" if isinstance(ip, IPv6Address) else str(ip)


def placeholder(client: Client, clock: Clock) -> str:
    """Return a queue id that no other session has: client, its port and the microsecond make it."""
    session = f"{clock.now().isoformat()} {client.ip} {client.port} {client.name}"
    return PLACEHOLDER + hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()[:12]
