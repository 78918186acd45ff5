"""The condition ``s25r``: the Selective SMTP Rejection rules of H. Asami, told by the labels of a host name.

The rules look at the client's name alone and tell a line for end users from a server. Rejecting is not done
here: a milter that greylists is what they are good for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from postmill.api import Applies, Apply, Client, Skip, condition, key
from postmill.api.domains import Domain, ascii_domain, find_domain
from postmill.api.kinds import Flag, ListOf
from postmill.api.mail_kinds import Pattern

_NAMES = ListOf(Pattern(Domain()))
Names = tuple[str | re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Names that are known better than the rules do."""

    whitelist: Names = key(
        _NAMES, [], "Names of clients that are servers, whatever the rules say; comes before `blacklist`."
    )
    blacklist: Names = key(_NAMES, [], "Names of clients that are end users, whatever the rules say.")
    ipv4_only: bool = key(
        Flag(),
        True,
        "Do not ask about clients that come by IPv6: the rules were made for names of IPv4 lines.",
    )


@condition("s25r", Settings)
def s25r(client: Client, settings: Settings) -> Applies:
    """Ask the milter only about clients whose name is missing or looks like an end user's line.

    The rules are those of S25R (Selective SMTP Rejection), one of which is enough:

    - 0: the client has no name that leads back to its address.
    - 1: the first label has two numbers with something else between them, and is not the only one.
    - 2: the first label has five digits in a row.
    - 3: the first or second label begins with a digit, and at least three more follow.
    - 4: the first label ends with a digit, and the second has two digits with a hyphen between them.
    - 5: the first and the second label end with a digit, and at least three more follow.
    - 6: the first label begins with `dhcp`, `dialup`, `ppp` or a kind of `dsl`, and has a digit after that.

    Some real servers have such names, too. Use it for milters that delay, such as greylisting, not for those
    that refuse, and put names that you know into `whitelist`: a name, `.example.org` for all names below one,
    or a regular expression between slashes. About mail submitted on this host the milter is not asked.
    """
    if client.ip is None and not client.has_name:
        return Skip("the mail was submitted on this host, without a network address")
    if settings.ipv4_only and isinstance(client.ip, IPv6Address):
        return Skip(f"{client.ip} is an IPv6 address, and only IPv4 is looked at (ipv4_only)")
    if not client.has_name:
        return Apply(f"the client {client.ip} has no name that leads back to it (S25R rule 0)")
    name = ascii_domain(client.name)
    if found := _find(name, settings.whitelist):
        return Skip(f"{name} is in the whitelist ({found})")
    if found := _find(name, settings.blacklist):
        return Apply(f"{name} is in the blacklist ({found})")
    if rule := matching_rule(name):
        return Apply(f"{name} looks like an end user's line (S25R rule {rule})")
    return Skip(f"{name} looks like a server (no rule of S25R)")


def _find(name: str, entries: Names) -> str:
    """Return the entry that a name falls under, empty where none does."""
    for entry in entries:
        if isinstance(entry, re.Pattern):
            if entry.search(name):
                return f"/{entry.pattern}/"
        elif find_domain(name, (entry,)):
            return entry
    return ""


def _rule_1(labels: Sequence[str]) -> bool:
    return len(labels) > 1 and bool(re.search(r"[0-9][^0-9]+[0-9]", labels[0]))


def _rule_2(labels: Sequence[str]) -> bool:
    return bool(re.search(r"[0-9]{5}", labels[0]))


def _rule_3(labels: Sequence[str]) -> bool:
    """The top-level domain and the two below it do not count; what follows must not be numbers to the end."""
    return any(
        label[:1].isdigit() and any(above[:1].isalpha() for above in labels[place + 3 :])
        for place, label in enumerate(labels[:2])
    )


def _rule_4(labels: Sequence[str]) -> bool:
    return len(labels) > 1 and labels[0][-1:].isdigit() and bool(re.search(r"[0-9]-[0-9]", labels[1]))


def _rule_5(labels: Sequence[str]) -> bool:
    return len(labels) >= 5 and labels[0][-1:].isdigit() and labels[1][-1:].isdigit()


def _rule_6(labels: Sequence[str]) -> bool:
    return bool(re.match(r"(dhcp|dialup|ppp|[achrsvx]?dsl).*[0-9]", labels[0]))


RULES: tuple[Callable[[Sequence[str]], bool], ...] = (_rule_1, _rule_2, _rule_3, _rule_4, _rule_5, _rule_6)


def matching_rule(name: str) -> int:
    """Return the number of the first rule from 1 to 6 that a host name matches, 0 for none."""
    labels = name.split(".")
    return next((number for number, rule in enumerate(RULES, 1) if rule(labels)), 0)
