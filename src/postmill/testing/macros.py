"""Which macros a fake MTA sends when, and their values.

Here belong the default lists of Postfix and Sendmail (protocol §5.1), what each of them can deliver (§5.2),
when the queue id exists (§5.3), before which events a macro packet goes out (§5.4), and the lists a filter
asks for (§4.6).
"""

from __future__ import annotations

from postmill.testing.plan import Client, Dialect, Mail, Recipient, SessionPlan
from postmill.testing.seen import Pairs
from postmill.wire.tables import MACRO_STAGE

TLS = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"

DEFAULT_LISTS: dict[Dialect, dict[str, str]] = {
    "postfix": {
        "C": "j {daemon_name} {daemon_addr} v _",
        "H": TLS,
        "M": "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        "R": "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
        "T": "i",
        "U": "",
        "L": "i",
        "N": "i",
        "B": "i",
        "E": "i",
    },
    "sendmail": {
        "C": "j _ {daemon_name} {if_name} {if_addr}",
        "H": TLS,
        "M": "i {auth_type} {auth_authen} {auth_ssf} {auth_author} {mail_mailer} {mail_host} {mail_addr}",
        "R": "{rcpt_mailer} {rcpt_host} {rcpt_addr}",
        "E": "{msg_id}",
    },
}
"""Letters that are missing get no macro packet at all, unless the filter asked for a list."""

CONTENT = "LNBE"
NOT_IN_CONTENT = frozenset({b"client_resolve", b"client_connections"})
"""Macros that Postfix's smtpd defines and its cleanup does not (protocol §5.2), beside those of MAIL and
RCPT.
"""

NEVER_IN_SENDMAIL = "LBU"
STAGES_IN_ORDER = "CHMRTUNLBE"


def _plain(address: bytes) -> bytes:
    return address.strip().removeprefix(b"<").removesuffix(b">")


def _domain(address: bytes) -> bytes:
    return _plain(address).rpartition(b"@")[2] or b"localhost"


def _name(spelling: bytes) -> bytes:
    """A macro name without its braces: both spellings mean the same (protocol §2.2)."""
    return spelling.strip(b"{}")


class MacroBook:
    """The macros of one session.

    The plan's `macros` maps a stage letter to names and values: they are defined from that stage on and,
    when no list was asked for, sent at that stage beside the default ones. A name may be written with or
    without braces.
    """

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._lists = DEFAULT_LISTS[plan.like]
        self._asked: dict[int, bytes] = {}
        self._base = self._session_values(plan.client)

    def ask(self, symlists: tuple[tuple[int, bytes], ...]) -> None:
        """Take the lists of the filter's answer; an empty one means the default list in Postfix, none in
        Sendmail.
        """
        for stage, names in symlists:
            if names.strip() or self._plan.like == "sendmail":
                self._asked[stage] = names

    def pairs(
        self, letter: str, mail: Mail | None = None, recipient: Recipient | None = None, queued: bool = False
    ) -> Pairs | None:
        """The macros for the `D` before this event, or None when no `D` is sent.

        `queued` tells that a recipient was accepted before: from then on Postfix has a queue id.
        """
        names = self._names(letter)
        if names is None:
            return None
        values = self._values(letter, mail, recipient, queued)
        return tuple((name, values[_name(name)]) for name in names if _name(name) in values)

    def _names(self, letter: str) -> list[bytes] | None:
        if self._plan.like == "sendmail" and letter in NEVER_IN_SENDMAIL:
            return None
        asked = self._asked.get(MACRO_STAGE.get(ord(letter), -1))
        if asked is not None:
            return asked.replace(b",", b" ").split()
        own = list(self._plan.macros.get(letter, ()))
        if letter not in self._lists:
            return own or None
        names = self._lists[letter].encode().split()
        known = {_name(name) for name in names}
        return names + [name for name in own if _name(name) not in known]

    def _values(
        self, letter: str, mail: Mail | None, recipient: Recipient | None, queued: bool
    ) -> dict[bytes, bytes]:
        values = dict(self._base)
        if letter in CONTENT and self._plan.like == "postfix":
            values = {name: value for name, value in values.items() if name not in NOT_IN_CONTENT}
            values[b"client_addr"] = self._plan.client.address
        if mail is not None:
            values |= self._mail_values(letter, mail, queued)
        if recipient is not None:
            values |= self._recipient_values(recipient)
        for stage in STAGES_IN_ORDER[: STAGES_IN_ORDER.index(letter) + 1]:
            values |= {_name(name): value for name, value in self._plan.macros.get(stage, {}).items()}
        return values

    def _session_values(self, client: Client) -> dict[bytes, bytes]:
        own = b"mail.example.org"
        prefix = b"IPv6:" if client.family == b"6" else b""
        values = {
            b"j": own,
            b"daemon_name": own,
            b"daemon_addr": b"127.0.0.1",
            b"daemon_port": b"25",
            b"v": b"Postfix 3.7.11",
            b"_": client.host + b" [" + prefix + client.address + b"]",
            b"client_addr": prefix + client.address,
            b"client_name": client.host,
            b"client_ptr": client.host,
            b"client_port": str(client.port).encode(),
            b"client_resolve": b"OK",
            b"client_connections": b"1",
        }
        if self._plan.like == "sendmail":
            values |= {b"v": b"8.17.1.9", b"daemon_name": b"MTA", b"if_name": own, b"if_addr": b"127.0.0.1"}
        return values

    def _mail_values(self, letter: str, mail: Mail, queued: bool) -> dict[bytes, bytes]:
        values = (
            {}
            if letter in CONTENT and self._plan.like == "postfix"
            else {
                b"mail_addr": _plain(mail.sender),
                b"mail_host": _domain(mail.sender),
                b"mail_mailer": b"smtp" if self._plan.like == "postfix" else b"esmtp",
            }
        )
        if self._plan.like == "sendmail" or letter not in "MR" or (letter == "R" and queued):
            values[b"i"] = mail.queue_id
        if self._plan.like == "sendmail":
            ids = [text for name, text in mail.headers if name.lower() == b"message-id"]
            values |= {b"msg_id": ids[0].strip()} if ids else {}
        return values

    def _recipient_values(self, recipient: Recipient) -> dict[bytes, bytes]:
        if recipient.refused:
            code, _, text = recipient.refused.partition(b" ")
            status, _, rest = text.partition(b" ")
            enhanced = status.count(b".") == 2
            host = status if enhanced else code[:1] + b".0.0"
            return {b"rcpt_mailer": b"error", b"rcpt_host": host, b"rcpt_addr": rest if enhanced else text}
        dot = b"." if self._plan.like == "sendmail" else b""
        return {
            b"rcpt_mailer": b"smtp" if self._plan.like == "postfix" else b"esmtp",
            b"rcpt_host": _domain(recipient.address) + dot,
            b"rcpt_addr": _plain(recipient.address),
        }
