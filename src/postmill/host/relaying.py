"""Trying whether an SMTP service of this host would relay mail from a stranger to a stranger (RFC 5321).

Only loopback is connected to, DATA is never said, and the addresses are of domains that RFC 2606 keeps for
examples. Where the service offers XCLIENT (Postfix's XCLIENT_README), the question is asked as a client of
TEST-NET-3 (RFC 5737). What follows from the answers is judged by `checkups.relay`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
from dataclasses import dataclass

from postmill.host.postfix import Postfix, Service, split_list

STRANGER = "203.0.113.9"
"""The client that is pretended to be."""
SENDER = "postmill-doctor@example.net"


@dataclass(frozen=True, slots=True)
class Door:
    """Where to knock: a service that listens on loopback."""

    host: str
    port: int
    tls: bool
    """TLS begins at once, as on port 465."""
    domain: str
    """A domain for which the service takes mail, to hide the real one behind."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it."""

    client: str
    """As whom it was tried."""
    accepted: tuple[str, ...] = ()
    """The recipients that were accepted, as they were written."""
    reply: str = ""
    """What was said to the first one that was not accepted."""
    trouble: str = ""
    """Why it could not be tried."""


def door_of(postfix: Postfix, service: Service) -> Door | None:
    """Return where a service is found on loopback; one behind postscreen(8) by postscreen's port."""
    name = service.name
    if service.type == "pass":
        name = next((each.name for each in postfix.of_command("postscreen")), "")
    host, _, port = name.rpartition(":")
    host = host.strip("[]") or _loopback(postfix)
    with contextlib.suppress(OSError, ValueError):
        number = int(port) if port.isdigit() else socket.getservbyname(port, "tcp")
        if ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
            tls = postfix.value("smtpd_tls_wrappermode", service) == "yes"
            return Door(host, number, tls, _domain(postfix))
    return None


def _loopback(postfix: Postfix) -> str:
    """Return the loopback address of a service that names none; "" when it does not listen there."""
    interfaces = split_list(postfix.value("inet_interfaces")) or ["all"]
    known = {"all", "loopback-only", "localhost", "127.0.0.1", "[127.0.0.1]", "::1", "[::1]"}
    if not known & set(interfaces):
        return ""
    return "::1" if split_list(postfix.value("inet_protocols")) == ["ipv6"] else "127.0.0.1"


def _domain(postfix: Postfix) -> str:
    local = split_list(postfix.value("mydestination"))
    plain = (name for name in local if "/" not in name and ":" not in name and name != "localhost")
    return next(plain, postfix.value("myhostname") or "localhost")


def disguises(domain: str) -> tuple[str, ...]:
    """Return a recipient elsewhere as it is, and hidden in the usual ways behind a domain of the host."""
    user, elsewhere = "postmill-doctor", "example.org"
    return (
        f"{user}@{elsewhere}",
        f"{user}%{elsewhere}@{domain}",
        f"@{domain}:{user}@{elsewhere}",
        f'"{user}@{elsewhere}"@{domain}',
        f"{elsewhere}!{user}@{domain}",
    )


def attempt(door: Door, within: float) -> Attempt:
    """Knock: HELO, MAIL, RCPT for each disguise, RSET, QUIT; ``within`` seconds for each answer."""
    client = door.host
    try:
        with _connected(door, within) as smtp:
            smtp.ehlo(f"[{client}]")
            if smtp.has_extn("xclient") and smtp.docmd("XCLIENT", _attributes(smtp))[0] == 220:
                client = STRANGER
                smtp.ehlo(f"[{client}]")
            return _asked(smtp, client, disguises(door.domain))
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        return Attempt(
            client, trouble=_shown(error.smtp_code, said.encode() if isinstance(said, str) else said)
        )
    except (OSError, smtplib.SMTPException) as error:
        return Attempt(client, trouble=getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _connected(door: Door, within: float) -> smtplib.SMTP:
    # The greeting may take its time: postscreen(8) makes clients wait.
    if not door.tls:
        return smtplib.SMTP(door.host, door.port, f"[{door.host}]", timeout=2 * within)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is entrusted to it
    return smtplib.SMTP_SSL(door.host, door.port, f"[{door.host}]", timeout=2 * within, context=context)


def _attributes(smtp: smtplib.SMTP) -> str:
    offered = smtp.esmtp_features["xclient"].upper().split()
    wanted = {"NAME": "[UNAVAILABLE]", "ADDR": STRANGER, "LOGIN": "[UNAVAILABLE]"}
    return " ".join(f"{name}={value}" for name, value in wanted.items() if name in offered)


def _asked(smtp: smtplib.SMTP, client: str, recipients: tuple[str, ...]) -> Attempt:
    code, text = smtp.docmd("MAIL", f"FROM:<{SENDER}>")
    if code != 250:
        return Attempt(client, trouble=f"MAIL FROM:<{SENDER}> was answered {_shown(code, text)}")
    replies = {recipient: smtp.docmd("RCPT", f"TO:<{recipient}>") for recipient in recipients}
    smtp.docmd("RSET")
    accepted = tuple(recipient for recipient, (code, _) in replies.items() if 200 <= code < 300)
    refused = [_shown(*reply) for recipient, reply in replies.items() if recipient not in accepted]
    return Attempt(client, accepted, refused[0] if refused else "")


def _shown(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " / ")
