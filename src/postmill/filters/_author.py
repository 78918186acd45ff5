"""Who the author of a message is: the domains in its From header (RFC 5322 §3.6.2).

DMARC asks for them, and signing chooses its key by them.

Strict, since a header that a mail reader takes for another address than DMARC does is a way around it:
whatever has two meanings has none here, and all domains that a reader could see in it are told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from postmill.api.domains import ascii_domain, is_domain

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^"(),<>:;\\]+|[(),<>:;]', re.DOTALL)
_LONGEST = 20_000
_AFTER_AT = re.compile(r"@\s*([\w.\u3002-]+)")
_MOST_POSSIBLE = 100


class UnclearAuthorError(ValueError):
    """It is not clear who the author is."""

    def __init__(self, reason: str, domains: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.domains = domains
        """What a mail reader might take for the author's domain."""


def author_domains(values: Sequence[str]) -> tuple[str, ...]:
    """Return the domains of the authors, each once, as ``ascii_domain`` gives them.

    Raises UnclearAuthorError, saying why, where there is not exactly one header, or it has no or no clear
    address.
    """
    try:
        return _clear_domains(values)
    except ValueError as error:
        raise UnclearAuthorError(str(error), _possible_domains(values)) from None


def _possible_domains(values: Sequence[str]) -> tuple[str, ...]:
    places = (found[1] for value in values for found in _AFTER_AT.finditer(value))
    found = map(ascii_domain, islice(places, _MOST_POSSIBLE))
    return tuple(dict.fromkeys(name for name in found if "." in name and is_domain(name)))


def _clear_domains(values: Sequence[str]) -> tuple[str, ...]:
    if len(values) != 1:
        raise ValueError("no From header" if not values else f"{len(values)} From headers")
    if len(values[0]) > _LONGEST:
        raise ValueError("the From header is too long")
    mailboxes = _mailboxes(_without_comments(_tokens(values[0])))
    return tuple(dict.fromkeys(map(_domain, mailboxes)))


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError("the From header has a quote without end or a stray backslash")
        tokens.append(found[0])
        place = found.end()
    return tokens


def _without_comments(tokens: Sequence[str]) -> list[str]:
    depth, kept = 0, []
    for piece in tokens:
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth < 0:
            break
        if depth and piece.startswith('"') and re.search(r"[()]", piece):
            raise ValueError("the From header has a comment that ends in two places")
        if depth == 0 and piece != ")":
            kept.append(piece)
    if depth:
        raise ValueError("the From header has an unbalanced parenthesis")
    return kept


def _mailboxes(tokens: Sequence[str]) -> list[list[str]]:
    mailboxes: list[list[str]] = [[]]
    for piece in tokens:
        if piece in (":", ";"):
            raise ValueError("the From header has a group")
        if piece == ",":
            mailboxes.append([])
        elif piece.strip():
            mailboxes[-1].append(piece.strip())
    found = [one for one in mailboxes if one]
    if not found:
        raise ValueError("the From header has no address")
    return found


def _domain(mailbox: Sequence[str]) -> str:
    """Return the domain of one mailbox: ``name <local@domain>``, or the address alone."""
    address = list(mailbox)
    if "<" in address:
        start = address.index("<")
        if address.count("<") != 1 or address[-1] != ">" or address.count(">") != 1:
            raise ValueError("the From header has no clear address")
        address = address[start + 1 : -1]
    elif ">" in address:
        raise ValueError("the From header has no clear address")
    return _domain_of(address)


def _domain_of(address: Sequence[str]) -> str:
    quoted = bool(address) and address[0].startswith('"')
    rest = "".join(address[1:] if quoted else address)
    local, at, domain = rest.partition("@")
    domain = ascii_domain(domain.strip())
    if (bool(local.strip()) == quoted) or not at or '"' in rest or "." not in domain or not is_domain(domain):
        raise ValueError("the From header has no clear address")
    return domain
