"""The condition ``sender-domain``: mail from senders of some domains.

The domain is that of the envelope, and may be forged; ``header-matches`` looks at the From header.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Sender, Skip, condition, required
from postmill.api.domains import Domain, find_domain
from postmill.api.kinds import SetOf


@dataclass(frozen=True, slots=True)
class Settings:
    """The domains."""

    domains: frozenset[str] = required(SetOf(Domain()), "The domains.")


@condition("sender-domain", Settings)
def sender_domain(sender: Sender, settings: Settings) -> Applies:
    """Ask the milter only about mail from senders of some domains.

    The sender is that of the envelope (MAIL FROM). `example.org` is that domain alone, `.example.org` every
    domain below it; names beyond ASCII may be written in either form. The empty sender of bounces has none.
    """
    domain = sender.address.domain
    if not domain:
        return Skip("the sender has no domain")
    if entry := find_domain(domain, settings.domains):
        return Apply(f"the sender's domain {domain} is in the list ({entry})")
    return Skip(f"the sender's domain {domain} is not in the list")
