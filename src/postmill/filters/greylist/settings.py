"""The settings of ``greylist``, and what is made of them once: the rules to judge by."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from postmill.api.domains import Domain
from postmill.api.kinds import Choice, Count, Duration, Flag, ListOf, Text
from postmill.api.mail_kinds import Network
from postmill.api.settings import key
from postmill.filters.greylist.parsing import parse
from postmill.filters.greylist.values import Actions, Clause, Config, Domains, Item, Rule, gathered

log = logging.getLogger("postmill.filter.greylist")
_YEAR = 366 * 86400.0
_ADDRESS = Text(r"[^\s<>@]+@[^\s<>@]+", "an address such as joe@example.net")


@dataclass(frozen=True, slots=True)
class Settings:
    """A greylist.conf, or the same said here; what `file` and `rules` say counts more than the rest."""

    file: str = key(
        Text(r"(/[^\0]*)?", 'the absolute path of a file, or ""'),
        "",
        "A greylist.conf of milter-greylist 4.6.",
    )
    rules: str = key(
        Text(),
        "",
        "More in the language of greylist.conf, as `racl whitelist spf pass`. It goes on where `file` ends, "
        "so it knows its lists; its rules are judged after those of `file`, but before the default.",
    )
    delay: float = key(Duration(0, _YEAR), "30m", "How long a tuple nobody knows has to wait.")
    autowhite: float = key(
        Duration(0, _YEAR), "1d", "How long a tuple that came back is let through without delay; 0: never."
    )
    timeout: float = key(
        Duration(1, _YEAR), "5d", "How long a tuple may take to come back before it is forgotten."
    )
    subnetmatch: int = key(Count(0, 32), 32, "Bits of an IPv4 address that make clients one.")
    subnetmatch6: int = key(Count(0, 128), 128, "Bits of an IPv6 address that make clients one.")
    whitelist_networks: tuple[IPv4Network | IPv6Network, ...] = key(
        ListOf(Network()), [], "Clients that are never delayed."
    )
    whitelist_domains: tuple[str, ...] = key(
        ListOf(Domain()), [], "Clients whose verified name is one of these or below it are never delayed."
    )
    whitelist_senders: tuple[str, ...] = key(ListOf(_ADDRESS), [], "Senders that are never delayed.")
    whitelist_recipients: tuple[str, ...] = key(ListOf(_ADDRESS), [], "Recipients that never wait for mail.")
    delayed_reject: bool = key(Flag(), False, "Refuse mail of the null sender only after its content.")
    lazy_autowhite: bool = key(
        Flag(), False, "A client that came back once is let through with every sender and recipient."
    )
    quiet: bool = key(Flag(), False, "Do not tell how long to wait.")
    test_mode: bool = key(Flag(), False, "Delay only what a rule says is to be.")
    report: str = key(
        Choice(("none", "delays", "nodelays", "all")), "all", "Which mail gets the header `X-Greylist`."
    )


def config_of(settings: Settings) -> Config:
    """Read the file and all rules. Raises OSError, or ValueError with file, line and column."""
    config = Config(
        delay=int(settings.delay),
        autowhite=int(settings.autowhite),
        timeout=int(settings.timeout),
        subnetmatch=settings.subnetmatch,
        subnetmatch6=settings.subnetmatch6,
        delayedreject=settings.delayed_reject,
        lazyaw=settings.lazy_autowhite,
        quiet=settings.quiet,
        testmode=settings.test_mode,
        report=settings.report,
    )
    if settings.file:
        config = parse(_text(Path(settings.file).read_bytes()), config, settings.file, settings.rules)
    else:
        config = parse(settings.rules, config, "rules")
    config = replace(config, rules=(*_whitelists(settings), *config.rules))
    delays = [rule.actions.delay or 0 for rule in config.rules]
    for warning in config.warnings:
        log.warning("%s", warning)
    return replace(
        config,
        nospf=config.nospf or config.uses("spf"),
        longest=max([config.delay, *delays]),
    )


def _text(data: bytes) -> str:
    """Read UTF-8, or what was written before there was any."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _whitelists(settings: Settings) -> list[Rule]:
    lists: list[tuple[str, str, tuple[Item, ...]]] = [
        ("whitelist_networks", "addr", gathered("addr", settings.whitelist_networks)),
        ("whitelist_domains", "domain", (Domains.of(settings.whitelist_domains),)),
        ("whitelist_senders", "rawfrom", gathered("rawfrom", settings.whitelist_senders)),
        ("whitelist_recipients", "rcpt", gathered("rcpt", settings.whitelist_recipients)),
    ]
    return [
        Rule("rcpt", "whitelist", (Clause(kind, items),), Actions(), 0, name)
        for name, kind, items in lists
        if getattr(settings, name)
    ]
