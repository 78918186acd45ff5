"""Kinds of values that speak of mail: networks, accounts, DNS servers, regular expressions, shares.

Like those in ``kinds``, which are about no subject in particular. Domains have ``domains``, times
``time_kinds``, lists in files ``list_file``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Any

from postmill.api.domains import Domain, ascii_domain, find_domain
from postmill.api.kinds import Kind, quoted
from postmill.api.nouns import Address
from postmill.api.ports import split_server

IPNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Network:
    """An address or a network, IPv4 or IPv6."""

    allowed: str = 'an address or a network such as "192.0.2.7", "192.0.2.0/24" or "2001:db8::/32"'

    def parse(self, raw: Any) -> IPNetwork:
        """See ``Kind``; an address with bits beyond its mask is refused: it may have meant either."""
        if not isinstance(raw, str):
            raise ValueError
        try:
            network = ip_interface(raw.strip()).network
        except ValueError:
            raise ValueError from None
        try:
            return ip_network(raw.strip())
        except ValueError:
            address = raw.partition("/")[0].strip()
            raise ValueError(
                f"{quoted(raw)} has bits beyond its mask; write {quoted(str(network))} or {quoted(address)}"
            ) from None

    def show(self, value: IPNetwork) -> str:
        """See ``Kind``."""
        alone = value.prefixlen == value.max_prefixlen
        return quoted(str(value.network_address if alone else value))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression between slashes; without them, what another kind makes of it."""

    plain: Kind | None = None

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        regex = 'a regular expression between slashes such as "/^mail[0-9]/"'
        return f"{self.plain.allowed}, or {regex}" if self.plain else regex

    def parse(self, raw: Any) -> Any:
        """See ``Kind``; case does not matter, as in Postfix's regexp_table(5)."""
        if isinstance(raw, str) and len(raw) > 2 and raw.startswith("/") and raw.endswith("/"):
            return self._compiled(raw)
        if self.plain is None:
            raise ValueError
        return self.plain.parse(raw)

    @staticmethod
    def _compiled(raw: str) -> re.Pattern[str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what Python will read otherwise one day
                return re.compile(raw[1:-1], re.IGNORECASE)
        except re.error as error:
            where = "" if error.pos is None else f" at character {error.pos + 2}"
            raise ValueError(f"{quoted(raw)} is no regular expression: {error.msg}{where}") from None
        except (Warning, OverflowError, RecursionError) as error:
            raise ValueError(f"{quoted(raw)} is no regular expression: {error}") from None

    def show(self, value: Any) -> str:
        """See ``Kind``."""
        if isinstance(value, re.Pattern):
            return quoted(f"/{value.pattern}/")
        assert self.plain is not None
        return self.plain.show(value)


@dataclass(frozen=True, slots=True)
class Account:
    """Recipients, written as in Postfix's access(5): address, local part with ``@``, domain, ``.domain``.

    Quotes in a local part are allowed and mean nothing, see ``Address.unquoted``.
    """

    allowed: str = (
        'an address such as "joe@example.org", a local part "joe@", a domain "example.org", or '
        '".example.org" for every domain below it'
    )

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        local, at, domain = Address(raw.strip()).unquoted.text.rpartition("@")
        if at and (not local or any(letter.isspace() for letter in local)):
            raise ValueError
        if at and not domain:
            return f"{local.lower()}@"
        name: str = Domain().parse(domain)
        if at and name.startswith("."):
            raise ValueError
        return f"{local.lower()}@{name}" if at else name

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(re.sub(r'(["\\])', r"\\\1", value))


def find_account(address: Address, entries: Collection[str], delimiter: str = "") -> str:
    """Return the entry that an address falls under, the most exact one first; empty where none does.

    How its local part is quoted does not matter.
    ``delimiter`` separates an account from an extension, as Postfix's ``recipient_delimiter`` does.
    """
    address = address.unquoted
    local = address.local.lower()
    locals_ = [local]
    cut = min((place for mark in delimiter if (place := local.find(mark)) > 0), default=0)
    if cut:
        locals_.append(local[:cut])
    domain = ascii_domain(address.domain)
    candidates = [f"{local}@{domain}" for local in locals_ if domain]
    candidates += [f"{local}@" for local in locals_ if local]
    exact = next((candidate for candidate in candidates if candidate in entries), "")
    return exact or find_domain(domain, entries)


@dataclass(frozen=True, slots=True)
class DnsServer:
    """A DNS server, by address and port; kept as it is written, as the port ``Resolver`` takes it."""

    allowed: str = 'the address of a DNS server such as "127.0.0.1", "127.0.0.1:5353", "::1" or "[::1]:5353"'

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        try:
            split_server(raw)
        except ValueError:
            raise ValueError from None
        return raw

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of a hundred."""

    allowed: str = "a number from 0 to 100"

    def parse(self, raw: Any) -> float:
        """See ``Kind``."""
        if not isinstance(raw, int | float) or isinstance(raw, bool) or not 0 <= raw <= 100:
            raise ValueError
        return float(raw)

    def show(self, value: float) -> str:
        """See ``Kind``."""
        return str(int(value)) if value.is_integer() else repr(value)
