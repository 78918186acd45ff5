"""Who the author of a message is: the domains in its From header (RFC 5322 §3.6.2).

DMARC asks for them, and signing chooses its key by them.

Strict, since a header that a mail reader takes for another address than DMARC does is a way around it:
whatever has two meanings has none here, and all domains that a reader could see in it are told.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Sequence

from postmill.api.domains import ascii_domain, is_domain

_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|[),<>:;]|'
    r'(?:[^"(),<>:;\\=]+|=\?[\w-]+\?[BQbq]\?[^\s?"()<>@\\]*\?=|=)+',
    re.DOTALL,
)
"""A quoted string, a special, or text, in which a comma of an encoded word is none (RFC 2047 §5)."""
_IN_COMMENT = re.compile(r"[()]|\\.", re.DOTALL)
_LONGEST = 20_000
_MOST_DOMAINS = 10
_DOT = re.compile("[.\u3002\uff0e\uff61]")  # RFC 5895 §2
_AFTER_AT = re.compile(rf"@\s*((?:[\w-]|{_DOT.pattern})+)")
_ENCODED = re.compile(r"=\?[\w-]+\?([BQ])\?([^?]*)\?=(?:\s+(?==\?))?", re.IGNORECASE)
"""An encoded word, with the blanks between it and the next (RFC 2047 §6.2)."""


class UnclearAuthorError(ValueError):
    """It is not clear who the author is."""

    def __init__(self, reason: str, domains: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.domains = domains
        """What a mail reader might take for the author's domain."""


class TooManyAuthorsError(ValueError):
    """There are more who are, or could be taken for, an author than in any mail that people send."""


def author_domains(values: Sequence[str]) -> tuple[str, ...]:
    """Return the domains of the authors, each once, as ``ascii_domain`` gives them.

    Raises UnclearAuthorError, saying why, where there is not exactly one header, or it has no or no clear
    address; TooManyAuthorsError where there is no end of them.
    """
    if sum(map(len, values)) > _LONGEST:
        raise TooManyAuthorsError("the From header is too long")
    try:
        domains = _clear_domains(values)
    except ValueError as error:
        domains = _possible_domains(values)
        if len(domains) <= _MOST_DOMAINS:
            raise UnclearAuthorError(str(error), domains) from None
    if len(domains) > _MOST_DOMAINS:
        raise TooManyAuthorsError(f"the From header has {len(domains)} domains")
    return domains


def _possible_domains(values: Sequence[str]) -> tuple[str, ...]:
    texts = dict.fromkeys(text for value in values for text in _readings(value))
    found = (ascii_domain(one[1]) for text in texts for one in _AFTER_AT.finditer(text))
    return tuple(dict.fromkeys(name for name in found if "." in name and is_domain(name)))


def _readings(value: str) -> Iterator[str]:
    """Give a header's value as it is, as people see it, and as one reads it who leaves out what disturbs."""
    yield value
    decoded = _ENCODED.sub(_decoded, value)
    yield decoded
    shown = "".join(one for one in _without_comments(decoded) if one.isprintable() or one.isspace())
    plain = shown.translate(dict.fromkeys(map(ord, '"\\')))
    yield ".".join(map(str.strip, _DOT.split(plain)))  # RFC 5322 §4.4 lets blanks stand there


def _decoded(word: re.Match[str]) -> str:
    """Return what an encoded word says; of all character sets as of UTF-8, in which domains are the same."""
    try:
        data = a2b_base64(word[2]) if word[1] in "Bb" else a2b_qp(word[2].replace("_", " "))
    except ValueError:
        return word[0]
    return data.decode("utf-8", "replace")


def _without_comments(text: str) -> str:
    kept, place = [], 0
    while (start := text.find("(", place)) >= 0:
        try:
            end = _comment_end(text, start)
        except ValueError:
            break
        kept.append(text[place:start])
        place = end
    return "".join((*kept, text[place:]))


def _comment_end(text: str, start: int) -> int:
    """Return where a comment ends that begins there (RFC 5322 §3.2.2); raises ValueError if it does not."""
    depth = 0
    for found in _IN_COMMENT.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    raise ValueError("the From header has an unbalanced parenthesis")


def _clear_domains(values: Sequence[str]) -> tuple[str, ...]:
    if len(values) != 1:
        raise ValueError("no From header" if not values else f"{len(values)} From headers")
    mailboxes = _mailboxes(_tokens(values[0]))
    return tuple(dict.fromkeys(map(_domain, mailboxes)))


def _tokens(text: str) -> list[str]:
    """Return what stands outside comments, blanks around each piece left out."""
    tokens, place = [], 0
    while place < len(text):
        if text[place] == "(":
            place = _harmless_comment_end(text, place)
            continue
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError("the From header has a quote without end or a stray backslash")
        if found[0] == ")":
            raise ValueError("the From header has an unbalanced parenthesis")
        tokens.append(found[0].strip())
        place = found.end()
    return list(filter(None, tokens))


def _harmless_comment_end(text: str, start: int) -> int:
    """Return where a comment ends; raises ValueError for one in which another reader might see an address."""
    end = _comment_end(text, start)
    comment = text[start:end]
    if "@" in comment and re.search(r'["\\]', comment):
        raise ValueError("the From header has a comment that ends in two places")
    return end


def _mailboxes(tokens: Sequence[str]) -> list[list[str]]:
    """Return the mailboxes of a list, and of the groups in it (RFC 6854)."""
    mailboxes: list[list[str]] = [[]]
    in_group = False
    for piece in tokens:
        last = mailboxes[-1]
        if piece == ":" and not in_group and _is_name(last):
            in_group, mailboxes[-1] = True, []
        elif piece == ";" and in_group:
            in_group = False
            mailboxes.append([])
        elif piece in (":", ";"):
            raise ValueError("the From header has no clear address")
        elif piece != ",":
            last.append(piece)
        elif not _is_name(last):  # else it is one that lacks its quotes: Doe, Joe <joe@example.org>
            mailboxes.append([])
    if in_group:
        raise ValueError("the From header has a group without end")
    found = [one for one in mailboxes if one]
    if not found:
        raise ValueError("the From header has no address")
    return found


def _is_name(pieces: Sequence[str]) -> bool:
    """Tell whether nothing in it could be taken for an address."""
    return bool(pieces) and not any("@" in one or one in "<>" for one in pieces)


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
