"""The condition ``restrict-accounts``: a milter for some recipients, by lists of addresses.

For whole domains alone ``recipient-domain`` can tell earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.api import Address, Applies, Apply, Envelope, Skip, condition, key
from postmill.api.kinds import Choice, SetOf, Text
from postmill.api.list_file import Lines, ListFile
from postmill.api.mail_kinds import Account, find_account


@dataclass(frozen=True, slots=True)
class Settings:
    """The accounts."""

    accounts: frozenset[str] = key(
        SetOf(Account()),
        [],
        "Recipients: addresses, local parts with an `@` behind, domains, or domains below one.",
    )
    file: Lines = key(
        ListFile(Account()), "", "A file with more of them, read when the configuration is loaded."
    )
    match: str = key(
        Choice(("any", "all")), "any", "Whether one recipient out of the lists is enough, or all must be."
    )
    recipient_delimiter: str = key(
        Text(r"[^\s@\0]*", 'some characters such as "+", or "" for none'),
        "",
        'What may stand between an account and an extension, as in Postfix: with "+", joe+news is joe, too.',
    )


@condition("restrict-accounts", Settings)
def restrict_accounts(envelope: Envelope, settings: Settings) -> Applies:
    """Ask the milter only about mail to some accounts; decided when all recipients are known.

    An account is an address (`joe@example.org`), a local part in any domain (`postmaster@`), a domain
    (`example.org`) or every domain below one (`.example.org`); case does not matter, nor do quotes
    (`"joe"@example.org`). What a milter says at the end holds for all recipients of the message: with
    `match = "all"` it never touches mail to somebody outside the lists, with `match = "any"` it sees all mail
    to somebody in them.
    """
    addresses = [recipient.address for recipient in envelope.recipients]
    listed = [address for address in addresses if _is_listed(address, settings)]
    if not listed:
        return Skip("no recipient is in the list of accounts")
    others = [address for address in addresses if address not in listed]
    if settings.match == "all" and others:
        return Skip(f"{others[0]} is not in the list of accounts, and all recipients must be")
    return Apply(f"{listed[0]} is in the list of accounts")


def _is_listed(address: Address, settings: Settings) -> bool:
    lists = (settings.accounts, settings.file.entries)
    return any(find_account(address, entries, settings.recipient_delimiter) for entries in lists)
