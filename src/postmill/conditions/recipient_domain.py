"""The condition ``recipient-domain``: mail to recipients of some domains.

For single accounts, and lists in files, there is ``restrict-accounts``.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Envelope, Recipient, Skip, condition, key, required
from postmill.api.domains import Domain, find_domain
from postmill.api.kinds import Choice, SetOf


@dataclass(frozen=True, slots=True)
class Settings:
    """The domains."""

    domains: frozenset[str] = required(SetOf(Domain()), "The domains.")
    match: str = key(
        Choice(("any", "all")), "any", "Whether one recipient in the list is enough, or all must be."
    )


@condition("recipient-domain", Settings)
def recipient_domain(noun: Recipient | Envelope, settings: Settings) -> Applies | None:
    """Ask the milter only about mail to recipients of some domains.

    `example.org` is that domain alone, `.example.org` every domain below it; names beyond ASCII may be
    written in either form. It is decided at the first recipient that settles it: with `match = "any"` the
    first of the list, with `match = "all"` the first of none. Recipients that the MTA refuses do not count.
    """
    if isinstance(noun, Recipient):
        return _settle(noun, settings)
    for recipient in noun.recipients:
        if settled := _settle(recipient, settings):
            return settled
    if settings.match == "all" and noun.recipients:
        return Apply("every recipient's domain is in the list")
    return Skip("no recipient's domain is in the list")


def _settle(recipient: Recipient, settings: Settings) -> Applies | None:
    """Decide by one recipient, if that is possible."""
    domain = recipient.address.domain
    entry = find_domain(domain, settings.domains)
    if settings.match == "any" and entry:
        return Apply(f"the recipient's domain {domain} is in the list ({entry})")
    if settings.match == "all" and not entry:
        return Skip(f"{recipient.address} is not in a domain of the list, and all recipients must be")
    return None
