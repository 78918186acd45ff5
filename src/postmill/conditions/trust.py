"""The condition ``trust``: tells a milter that the sender's domain is one of those we trust.

It leaves nobody out. Whether the domain is forged is for the milter to find out, with SPF.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Applies, Apply, Sender, condition, key
from postmill.api.domains import Domain, find_domain
from postmill.api.kinds import SetOf
from postmill.api.list_file import Lines, ListFile


@dataclass(frozen=True, slots=True)
class Settings:
    """The domains."""

    domains: frozenset[str] = key(SetOf(Domain()), [], "Domains of senders that are trusted.")
    file: Lines = key(
        ListFile(Domain()), "", "A file with more of them, read when the configuration is loaded."
    )


@condition("trust", Settings)
def trust(sender: Sender, settings: Settings) -> Applies:
    """Tell the milter whether the sender's domain is trusted; it is asked in either case.

    For a sender of one of the domains the milter gets the macro `trusted_domain` with the value `yes`.
    milter-greylist, for example, can be told to let such mail pass at once if SPF says that the sender is
    genuine: a domain alone is easily forged.
    """
    domain = sender.address.domain
    entry = find_domain(domain, settings.domains) or find_domain(domain, settings.file.entries)
    if entry:
        return Apply(f"{domain} is a trusted domain ({entry})", {"trusted_domain": "yes"})
    return Apply(f"{domain} is no trusted domain" if domain else "the sender has no domain")
