"""The predecessor's built-in conditions: their names here, and what its configuration adds to their lists.

The predecessor brings lists of its own (hosts known as servers, trusted domains, block lists), which hold
whether or not a configuration mentions them; so they are carried over with a condition that uses them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from postmill.api.conditions import Condition
from postmill.conditions.remote_network import PRIVATE
from postmill.config.conditions import Shelf
from postmill.migration import regexps
from postmill.migration.document import Table
from postmill.migration.remarks import NOWHERE, Given, Place, Remarks
from postmill.migration.tokens import Pattern

NAMES = {
    "S25R": "s25r",
    "Remote Network": "remote-network",
    "Authenticated": "authenticated",
    "Unauthenticated": "unauthenticated",
    "Sendmail Compatible": "sendmail-compatible",
    "Stress Notify": "stress-notify",
    "No Stress": "no-stress",
    "Trust": "trust",
    "DNSBL Listed": "dnsbl-listed",
    "Not DNSBL Listed": "not-dnsbl-listed",
}
RESTRICTION = "restrict-accounts"
LIST_IN_NAME = "Restrict Accounts by List: "
"""What the name of a list of accounts begins with when it has none of its own; the list itself follows."""

OWN_SERVERS = (
    ".google.com", ".obsmtp.com", ".smtp-out.amazonses.com", ".slack.com", ".mg.gitlab.com", ".sendgrid.net"
)  # fmt: skip
OWN_TRUSTED = (
    "gmail.com", "hotmail.com", "msn.com", "yahoo.co.jp", "softbank.ne.jp", "ezweb.ne.jp", "docomo.ne.jp",
    "clear-code.com",
)  # fmt: skip
OWN_LISTS = {
    "zen.spamhaus.org": ["127.0.0.10/31"],
    "bl.spamcop.net": ["127.0.0.2"],
    "b.barracudacentral.org": ["127.0.0.2"],
}
"""Without dnsbl.sorbs.net, which was closed in 2024."""

FAMILIES = {
    "s25r": ("s25r",),
    "remote_network": ("remote-network",),
    "trust": ("trust",),
    "stress": ("stress-notify", "no-stress"),
    "dnsbl": ("dnsbl-listed", "not-dnsbl-listed"),
}
"""Which conditions one object of the predecessor's configuration is about."""

CALLS = {
    ("s25r", "add_whitelist"): "whitelist",
    ("s25r", "add_blacklist"): "blacklist",
    ("remote_network", "add_local_address"): "local",
    ("remote_network", "add_remote_address"): "remote",
    ("trust", "add_envelope_from_domain"): "domains",
    ("trust", "load_envelope_from_domains"): "file",
    ("dnsbl", "add_service"): "zones",
}
ASSIGNMENTS = {
    ("s25r", "only_check_ipv4"): "ipv4_only",
    ("s25r", "check_only_ipv4"): "ipv4_only",
    ("stress", "threshold_n_connections"): "sessions",
    ("dnsbl", "name_server"): "servers",
    ("dnsbl", "name_servers"): "servers",
}


@dataclass(slots=True)
class Additions:
    """What a configuration says about conditions, by object and our key."""

    given: dict[tuple[str, str], list[Given]] = field(default_factory=dict)
    trusts_own: bool = True
    """Whether the predecessor's own trusted domains still hold."""

    def add(self, owner: str, key: str, given: Given) -> None:
        """Note one value."""
        self.given.setdefault((owner, key), []).append(given)

    def clear_trust(self) -> None:
        """Forget the trusted domains there are so far."""
        self.trusts_own = False
        self.given.pop(("trust", "domains"), None)
        self.given.pop(("trust", "file"), None)


def condition_tables(
    additions: Additions, used: Iterable[str], shelf: Shelf, remarks: Remarks
) -> Iterable[Table]:
    """Give the ``[conditions.NAME]`` tables of all conditions that are used or spoken of."""
    return _Maker(additions, frozenset(used), shelf, remarks).tables()


@dataclass(slots=True)
class _Maker:
    additions: Additions
    used: frozenset[str]
    shelf: Shelf
    remarks: Remarks

    def tables(self) -> Iterable[Table]:
        makers: dict[str, Callable[[Table], None]] = {
            "s25r": self.s25r, "remote_network": self.remote_network, "trust": self.trust,
            "stress": self.stress, "dnsbl": self.dnsbl,
        }  # fmt: skip
        for owner, names in FAMILIES.items():
            is_spoken_of = any(key[0] == owner for key in self.additions.given)
            wanted = [name for name in names if name in self.used] or (names if is_spoken_of else ())
            for number, name in enumerate(wanted):
                table = condition_table(name, self.shelf[name])
                makers[owner](table)
                if number:
                    self.remarks.found = list(dict.fromkeys(self.remarks.found))  # said once
                yield table

    def given(self, owner: str, key: str) -> list[Given]:
        return self.additions.given.get((owner, key), [])

    def put_list(
        self, table: Table, key: str, own: Iterable[str], entries: Iterable[tuple[str, Place]]
    ) -> None:
        """Put a list, the predecessor's own entries first; an entry that our setting refuses is left out."""
        values = list(own)
        for entry, place in entries:
            if table.put(key, [entry], place, self.remarks):
                values.append(entry)
        if values:
            table.put(key, list(dict.fromkeys(values)), NOWHERE, self.remarks)

    def s25r(self, table: Table) -> None:
        for key, own in (("whitelist", OWN_SERVERS), ("blacklist", ())):
            entries = [(entry, one.place) for one in self.given("s25r", key) for entry in self.names(one)]
            self.put_list(table, key, own, entries)
        for one in self.given("s25r", "ipv4_only"):
            table.put("ipv4_only", one.value, one.place, self.remarks)

    def names(self, given: Given) -> list[str]:
        """Read a host name or a regular expression."""
        if not isinstance(given.value, Pattern):
            return [given.value]
        found = regexps.domains(given.value)
        try:
            return found or [f"/{regexps.to_python(given.value)}/"]
        except ValueError as error:
            self.refused(given, given.value, f"{error} does not mean the same to Postmill")
            return []

    def refused(self, given: Given, pattern: Pattern, why: str) -> None:
        self.remarks.lost(given.place, f"/{pattern.source}/{pattern.flags}: {why}")

    def remote_network(self, table: Table) -> None:
        lists = {key: self.networks(self.given("remote_network", key)) for key in ("local", "remote")}
        networks = [network for network, _ in lists["local"]] + list(PRIVATE)
        for remote, place in list(lists["remote"]):
            # There any remote network wins, here the smaller one: say it of each smaller one, too.
            lists["remote"] += [(one, place) for one in networks if _is_within(one, remote)]
        for key, found in lists.items():
            self.put_list(table, key, (), [(_short(network), place) for network, place in found])

    def networks(self, given: Iterable[Given]) -> list[tuple[Any, Place]]:
        found = []
        for one in given:
            try:
                found.append((ipaddress.ip_network(str(one.value).strip(), strict=False), one.place))
            except ValueError:
                self.remarks.lost(one.place, f"{one.value} is no address and no network")
        return found

    def trust(self, table: Table) -> None:
        entries = []
        for one in self.given("trust", "domains"):
            found = regexps.domains(one.value) if isinstance(one.value, Pattern) else [one.value]
            if found is None:
                self.refused(one, one.value, "trust has domains, and .example.org for all below one")
            entries += [(entry, one.place) for entry in found or ()]
        self.put_list(table, "domains", OWN_TRUSTED if self.additions.trusts_own else (), entries)
        files = self.given("trust", "file")
        for one in files[:1]:
            table.put("file", one.value, one.place, self.remarks)
        for one in files[1:]:
            self.remarks.lost(one.place, f"{one.value}: trust reads one file", "join the files")

    def stress(self, table: Table) -> None:
        for one in self.given("stress", "sessions"):
            if one.value == 0:
                self.remarks.lost(
                    one.place,
                    "a threshold of 0, which is never",
                    "take no-stress and stress-notify out of `when`",
                )
            else:
                table.put("sessions", one.value, one.place, self.remarks)

    def dnsbl(self, table: Table) -> None:
        zones: dict[str, list[str]] = {zone: list(answers) for zone, answers in OWN_LISTS.items()}
        for one in self.given("dnsbl", "zones"):
            zone, answer = (*one.value, None)[:2]
            answers = [] if answer is None else [_network(answer)]
            if table.put("zones", {zone: answers}, one.place, self.remarks):
                known = zones.get(zone, answers)
                zones[zone] = list(dict.fromkeys([*known, *answers])) if known and answers else []
        table.put("zones", zones, NOWHERE, self.remarks)
        servers = [
            (server, one.place)
            for one in self.given("dnsbl", "servers")
            for server in (one.value if isinstance(one.value, list) else [one.value])
        ]
        self.put_list(table, "servers", (), servers)


def condition_table(name: str, condition: Condition) -> Table:
    """Begin the table of a condition."""
    assert condition.settings is not None, "only conditions with settings have tables"
    return Table(f"conditions.{name}", condition.settings)


def _network(text: Any) -> Any:
    try:
        return _short(ipaddress.ip_network(str(text), strict=False))
    except ValueError:
        return text  # the setting will say what is wrong with it


def _short(network: Any) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _is_within(inner: Any, outer: Any) -> bool:
    return bool(inner.version == outer.version and inner != outer and inner.subnet_of(outer))


def table_name(name: str, taken: Iterable[str]) -> str:
    """Make a name of our own form out of one of the predecessor's, different from those taken."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or RESTRICTION
    return numbered(base, taken)


def numbered(base: str, taken: Iterable[str]) -> str:
    """Return a name, or the name with the first number that makes it a new one."""
    names = set(taken)
    if base not in names:
        return base
    number = 2
    while f"{base}-{number}" in names:
        number += 1
    return f"{base}-{number}"
