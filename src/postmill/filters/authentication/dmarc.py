"""DMARC (RFC 7489): finding a domain's policy, and whether what SPF and DKIM found speaks for the author.

The library ``dmarc`` takes any domain above the author's as aligned with it, public suffixes too, so this is
our own. Aggregate and failure reports are not sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from postmill.api.ports import Resolver
from postmill.filters.authentication.suffixes import Organizations

POLICIES = ("none", "quarantine", "reject")
"""From mild to strict."""
_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")


@dataclass(frozen=True, slots=True)
class Policy:
    """A domain's record, as far as a receiver of its mail needs it."""

    policy: str
    """What it asks for: ``none``, ``quarantine`` or ``reject``; for this author's domain or subdomain."""
    domain: str = ""
    """Where the record is: at the author's domain or at its organization."""
    strict_dkim: bool = field(default=False, kw_only=True)
    strict_spf: bool = field(default=False, kw_only=True)
    percent: int = field(default=100, kw_only=True)
    """Share of failing mail that the policy is for (RFC 7489 §6.6.4)."""


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The result for one author's domain."""

    result: str
    """``pass``, ``fail``, ``none`` (no policy), ``temperror`` or ``permerror`` (RFC 7489 §11.2)."""
    domain: str = ""
    policy: str = ""
    """What the domain asks for; empty where it has no policy."""
    policy_domain: str = ""
    disposition: str = "none"
    """What is asked for this message."""
    reason: str = ""
    unclear: bool = False
    """Whose the message is, is not clear; the domain is one that a mail reader may show."""


def parse_policy(record: str, *, subdomain: bool) -> Policy | None:
    """Read a record; ``subdomain`` when it was found at the organization of another domain.

    None: not a record that anything follows from (RFC 7489 §6.6.3).
    """
    if not _VERSION.match(record):
        return None
    tags: dict[str, str] = {}
    for part in record.split(";"):
        name, given, value = part.partition("=")
        if given:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    asked = tags.get("p", "").lower()
    below = tags.get("sp", asked).lower()
    if asked not in POLICIES or below not in POLICIES:
        if not tags.get("rua", "").strip():
            return None
        asked = below = "none"
    return Policy(
        below if subdomain else asked,
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        percent=_percent(tags.get("pct", "100")),
    )


def _percent(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) and int(text) <= 100 else 100


async def find_policy(
    domain: str, organizations: Organizations, resolver: Resolver, within: float
) -> Policy | None:
    """Look for the policy of an author's domain: there, then at its organization (RFC 7489 §6.6.3).

    Raises OSError when DNS fails, ValueError for a record that says nothing (RFC 7489 §11.2).
    """
    organization = organizations.of(domain)
    for place in dict.fromkeys((domain, organization)):
        records = await resolver.texts(f"_dmarc.{place}", within=within)
        versioned = [record for record in records if _VERSION.match(record)]
        if len(versioned) == 1:
            policy = parse_policy(versioned[0], subdomain=place != domain)
            if policy is None:
                raise ValueError(f"the record of {place} is malformed")
            return replace(policy, domain=place)
        if versioned:
            return None  # several are as good as none (RFC 7489 §6.6.3)
    return None


def evaluate(domain: str, policy: Policy, passed: bool, sample: int) -> Dmarc:
    """Judge a message by its author's domain.

    ``passed`` tells whether what SPF and DKIM found speaks for it; ``sample`` from 0 to 99 places the message
    in the share that a policy is for.
    """
    if passed:
        return Dmarc("pass", domain, policy.policy, policy.domain)
    asked = POLICIES.index(policy.policy)
    if sample >= policy.percent:  # the next milder one (RFC 7489 §6.6.4)
        asked = max(asked - 1, 0)
    return Dmarc("fail", domain, policy.policy, policy.domain, POLICIES[asked])


def speaks(
    author: str, policy: Policy, organizations: Organizations, spf: Sequence[str], dkim: Sequence[str]
) -> bool:
    """Tell whether one of the domains that SPF, or DKIM, has something of speaks for the author's."""
    return any(aligned(one, author, policy.strict_spf, organizations) for one in spf) or any(
        aligned(one, author, policy.strict_dkim, organizations) for one in dkim
    )


def aligned(found: str, author: str, strict: bool, organizations: Organizations) -> bool:
    """Tell whether a domain speaks for the author's (RFC 7489 §3.1)."""
    return found == author or (not strict and organizations.of(found) == organizations.of(author))


def strictest(results: Sequence[Dmarc]) -> Dmarc:
    """Return the one that counts for a message of several authors (RFC 7489 §6.6.1)."""
    order = ("pass", "none", "permerror", "fail", "temperror")  # what is not known may be worse

    def strictness(one: Dmarc) -> tuple[int, int, bool]:
        return POLICIES.index(one.disposition), order.index(one.result), one.policy != "none"

    return max(results, key=strictness)
