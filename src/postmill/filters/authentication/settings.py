"""The settings of ``authentication``, and what is made of them once: the public suffix list."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from postmill.api.domains import Domain
from postmill.api.kinds import Choice, Duration, Flag, ListOf, Text
from postmill.api.mail_kinds import Network
from postmill.api.settings import key

CHECKS = ("spf", "dkim", "arc", "dmarc")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is checked, and what follows."""

    authserv_id: str = key(
        Text(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?", "a host name such as mx.example.org"),
        "",
        "The name under which results are given in `Authentication-Results`. Others' headers of that name "
        "are removed.",
        when_absent="the MTA's name (macro `j`)",
    )
    checks: tuple[str, ...] = key(
        ListOf(Choice(CHECKS), 1), list(CHECKS), "What to check; `dmarc` needs `spf` and `dkim`."
    )
    spf_fail: str = key(
        Choice(("report", "reject")), "report", "What becomes of mail whose sender's SPF says `fail`."
    )
    dmarc_reject: str = key(
        Choice(("report", "quarantine", "reject")),
        "report",
        "What becomes of mail that fails DMARC where the domain's policy is `reject`.",
    )
    dmarc_quarantine: str = key(
        Choice(("report", "quarantine")),
        "report",
        "What becomes of mail that fails DMARC where the domain's policy is `quarantine`.",
    )
    dmarc_temperror: str = key(
        Choice(("report", "tempfail")),
        "report",
        "What becomes of mail that DMARC cannot judge while DNS fails. Whoever can make DNS fail for any "
        "domain of an organization forges its mail then, unless it is put off.",
    )
    bad_from: str = key(
        Choice(("report", "reject")),
        "report",
        "What becomes of mail without a `From` header, with several, or with one that has no clear address. "
        "If it is let pass, it is still judged by DMARC for every domain that could be read in them.",
    )
    trusted_arc_sealers: tuple[str, ...] = key(
        ListOf(Domain()),
        [],
        "Domains of forwarders such as mailing lists whose ARC seals are believed: what they found "
        "authentic before they changed it is not refused by DMARC.",
    )
    skip_networks: tuple[IPv4Network | IPv6Network, ...] = key(
        ListOf(Network()),
        ["127.0.0.0/8", "::1"],
        "Clients about whose mail nothing is asked and nothing changed, as your own relays.",
    )
    skip_authenticated: bool = key(
        Flag(), True, "Check nothing in mail of users who have logged in; forged headers are removed still."
    )
    timeout: float = key(
        Duration(0.1, 120),
        "20s",
        "How long to wait for DNS in each check; what takes longer is `temperror`, and refuses nothing. "
        "It has to be shorter than `timeouts.command`, after which the filter has failed; "
        "`postmill config check` warns.",
    )
    public_suffix_list: str = key(
        Text(r"(/[^\0]*)?", 'the absolute path of a file, or ""'),
        "",
        "The public suffix list, by which DMARC finds a domain's organization.",
        when_absent="/usr/share/publicsuffix/public_suffix_list.dat, or where that is missing the one "
        "that came with the Python library",
    )
