"""What conditions add to their lists, in the predecessor's words; see ``conditions`` for the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from postmill.api.conditions import Use
from postmill.api.settings import keys_of
from postmill.config import Loaded
from postmill.config.conditions import Named
from postmill.migration import regexps
from postmill.migration.conditions import FAMILIES, RESTRICTION
from postmill.migration.ruby import literal

_SAID = {
    "s25r": ("whitelist", "blacklist", "ipv4_only"),
    "remote-network": ("local", "remote"),
    "trust": ("domains", "file"),
    "stress-notify": ("sessions",),
    "no-stress": ("sessions",),
    "dnsbl-listed": ("zones", "servers"),
    "not-dnsbl-listed": ("zones", "servers"),
    RESTRICTION: ("accounts", "match"),
}
"""Our settings of each condition that the predecessor can say, too."""


def additions(loaded: Loaded) -> Iterator[list[str]]:
    """Give a block of lines for each condition that has something to add."""
    makers: Mapping[str, Callable[[Any], Iterator[str]]] = {
        "s25r": _s25r, "remote-network": _remote_network, "trust": _trust, "stress-notify": _stress,
        "no-stress": _stress, "dnsbl-listed": _dnsbl, "not-dnsbl-listed": _dnsbl,
    }  # fmt: skip
    said: dict[str, list[str]] = {}
    for named in loaded.settings.conditions:
        lines = [*makers[named.name](named.settings)] if named.name in makers else []
        family = next((owner for owner, names in FAMILIES.items() if named.name in names), named.name)
        if said.setdefault(family, lines) == lines:
            yield [*(lines if said[family] is lines else ()), *_unsaid(loaded, named, _said(loaded, named))]
        else:
            yield [*_unsaid(loaded, named, ())]


def _said(loaded: Loaded, named: Named) -> tuple[str, ...]:
    """Give the settings of a condition that are said already, in its own lines or with a milter."""
    if named.condition.name == RESTRICTION:
        uses = [use for milter in loaded.settings.milters for use in milter.conditions]
        is_used = any(use.name == named.name and is_account_list(use) for use in uses)
        return _SAID[RESTRICTION] if is_used else ()
    return _SAID.get(named.name, ())


def is_account_list(use: Use) -> bool:
    """Tell whether it is a list of accounts of the kind that the predecessor has."""
    settings = use.settings
    is_list = use.condition.name == RESTRICTION and not use.negated
    return is_list and settings.match == "all" and bool(settings.accounts)


def _unsaid(loaded: Loaded, named: Named, said: Collection[str]) -> Iterator[str]:
    """Give the settings that are given and cannot be said there."""
    if named.name != named.condition.name and not said:
        yield f"# no equivalent: conditions.{named.name}.use = {literal(named.condition.name)}"
    for declared in keys_of(named.settings):
        key = f"conditions.{named.name}.{declared.name}"
        if declared.name not in said and not loaded.origins[key].is_default:
            shown = declared.metadata["kind"].show(getattr(named.settings, declared.name))
            yield f"# no equivalent: {key} = {shown}  ({loaded.origins[key]})"


def _names(call: str, entries: Any) -> Iterator[str]:
    for entry in entries:
        try:
            yield f"{call}({_matcher(entry)})"
        except ValueError as error:
            shown = literal(f"/{entry.pattern}/")
            yield f"# no equivalent: {call}({shown}): {error} does not mean the same to milter-manager"


def _matcher(entry: str | re.Pattern[str]) -> str:
    """Write a name as text, all names below one and patterns as regular expressions."""
    if isinstance(entry, re.Pattern):
        return f"/{regexps.to_ruby(entry.pattern)}/i"
    return f"/{re.escape(entry)}\\z/" if entry.startswith(".") else literal(entry)


def _s25r(settings: Any) -> Iterator[str]:
    yield from _names("s25r.add_whitelist", settings.whitelist)
    yield from _names("s25r.add_blacklist", settings.blacklist)
    if not settings.ipv4_only:
        yield "s25r.only_check_ipv4 = false"


def _remote_network(settings: Any) -> Iterator[str]:
    for key in ("local", "remote"):
        for network in getattr(settings, key):
            alone = network.prefixlen == network.max_prefixlen
            text = str(network.network_address if alone else network)
            yield f"remote_network.add_{key}_address({literal(text)})"


def _trust(settings: Any) -> Iterator[str]:
    yield "trust.clear"
    yield from _names("trust.add_envelope_from_domain", sorted(settings.domains))
    if settings.file.file:
        yield f"trust.load_envelope_from_domains({literal(settings.file.file)})"


def _stress(settings: Any) -> Iterator[str]:
    if settings.sessions:
        yield f"stress.threshold_n_connections = {settings.sessions}"


def _dnsbl(settings: Any) -> Iterator[str]:
    for zone, answers in settings.zones.items():
        for answer in answers or (None,):
            text = None if answer is None else str(answer).removesuffix("/32")
            more = "" if text is None else f", {literal(text)}"
            yield f"dnsbl.add_service({literal(zone)}{more})"
    if settings.servers:
        yield f"dnsbl.name_servers = {literal(settings.servers)}"


def restriction(milter: str, use: Use) -> Iterator[str]:
    """Restrict one milter to a list of accounts."""
    name = "Restrict Accounts" if use.name == RESTRICTION else use.name
    accounts = ", ".join(_account(account) for account in sorted(use.settings.accounts))
    options = f"condition_name: {literal(name)}, milters: {literal([milter])}"
    yield f"restrict_accounts_by_list({accounts}, {options})"


def _account(account: str) -> str:
    local, at, domain = account.rpartition("@")
    if not at:
        return f"/{'' if domain.startswith('.') else '@'}{re.escape(domain)}\\z/"
    return literal(account) if domain else f"/\\A{re.escape(local)}@/"
