"""What a header that a milter added says of the mail, in one word that can be counted.

Read are the headers that spam and virus filters, greylisting and authentication (RFC 8601, RFC 7208 §9.1) are
known by. What such a header says beyond that stays in the record, not in the counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

_METHODS = (
    *("spf", "dkim", "dmarc", "arc", "iprev", "auth", "sender-id"),
    *("dkim-adsp", "dkim-atps", "vbr", "bimi"),
)
_RESULTS = (
    *("pass", "fail", "softfail", "neutral", "none", "policy"),
    *("permerror", "temperror", "hardfail", "nxdomain", "discard"),
)
_RESULT = re.compile(rf"(?:^|[;\s])({'|'.join(_METHODS)})\s*=\s*({'|'.join(_RESULTS)})\b", re.IGNORECASE)
_URIBL = re.compile(r"\btests=[^=]*\bURIBL_")


def _flag(value: str) -> Iterator[str]:
    if value[:3].lower() == "yes":
        yield "spam"


def _status(value: str) -> Iterator[str]:
    yield from _flag(value)
    if _URIBL.search(value):
        yield "uribl"


def _virus(value: str) -> Iterator[str]:
    if value[:8].lower() == "infected":
        yield "virus"


def _authentication(value: str) -> Iterator[str]:
    for method, result in _RESULT.findall(value):
        said = "fail" if result.lower() == "hardfail" else result.lower()
        yield f"{method.lower()}={said}"


def _received_spf(value: str) -> Iterator[str]:
    result = value.partition(" ")[0].lower()
    if result in _RESULTS:
        yield f"spf={result}"


def _greylist(value: str) -> Iterator[str]:
    if value.startswith("Delayed for"):
        yield "greylisting=pass"
    if "whitelisted by tarpit" in value:
        yield "tarpitting=pass"
    if "SPF-compliant" in value or "passed SPF test" in value:
        yield "spf=pass"


_READERS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "x-spam": _flag,
    "x-spam-flag": _flag,
    "x-spam-status": _status,
    "x-virus-status": _virus,
    "authentication-results": _authentication,
    "received-spf": _received_spf,
    "x-greylist": _greylist,
}


def findings_of(name: str, value: str) -> Iterator[str]:
    """Yield what a header says: ``spam``, ``virus``, ``uribl``, ``spf=pass``, ``greylisting=pass``, …"""
    reader = _READERS.get(name.lower())
    if reader is not None:
        yield from reader(value.strip())
