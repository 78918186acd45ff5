"""The Authentication-Results header (RFC 8601) of what was found, written with the library ``authres``.

``authres`` quotes no value with an ``@``, so what a sender chose is written only where it needs no quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import authres  # type: ignore[import-untyped]
import authres.arc  # type: ignore[import-untyped]
import authres.dmarc  # type: ignore[import-untyped]

from postmill.filters._dkim import Result
from postmill.filters._spf import Spf
from postmill.filters.authentication.arc import Arc
from postmill.filters.authentication.dmarc import Dmarc

_PLAIN_ADDRESS = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,64}@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
)
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_READING = authres.FeatureContext(authres.dmarc)


@dataclass(frozen=True, slots=True)
class Found:
    """What the checks of one message found; None or nothing for one that was not made."""

    spf: Spf | None = None
    sender: str = ""
    dkim: Sequence[Result] | None = None
    arc: Arc | None = None
    dmarc: Dmarc | None = None


def header_value(own: str, found: Found) -> str:
    """Return the header's value, folded behind each result."""
    parts = [own, *map(str, _results(found))]
    return ";\n\t".join(parts) if len(parts) > 1 else f"{own}; none"


def _results(found: Found) -> list[object]:
    results: list[object] = []
    if found.spf is not None:
        results.append(_spf(found.spf, found.sender))
    if found.dkim is not None:
        results += [_dkim(one) for one in found.dkim] or [authres.DKIMAuthenticationResult(result="none")]
    if found.arc is not None:
        results.append(_arc(found.arc))
    if found.dmarc is not None:
        results.append(_dmarc(found.dmarc))
    return results


def _spf(spf: Spf, sender: str) -> object:
    reason = spf.explanation if spf.result in ("temperror", "permerror") else ""
    if spf.identity == "helo":
        return authres.SPFAuthenticationResult(
            result=spf.result, reason=_reason(reason), smtp_helo=_plain(spf.domain)
        )
    address = sender if _PLAIN_ADDRESS.fullmatch(sender) else _plain(spf.domain)
    return authres.SPFAuthenticationResult(result=spf.result, reason=_reason(reason), smtp_mailfrom=address)


def _dkim(one: Result) -> object:
    result = authres.DKIMAuthenticationResult(
        result=one.result,
        result_comment=f"{one.bits}-bit key" if one.bits else None,
        reason=_reason(one.reason),
        header_d=_plain(one.domain),
        header_i=one.identity if _PLAIN_ADDRESS.fullmatch(one.identity) else None,
        header_s=_plain(one.selector),
    )
    if re.fullmatch(r"[A-Za-z0-9+/=]+", one.start):
        result.properties.append(authres.core.AuthenticationResultProperty("header", "b", one.start))
    return result


def _arc(arc: Arc) -> object:
    comment = f"i={arc.seals[0].instance} as-d={_plain(arc.seals[0].domain)}" if arc.seals else None
    return authres.arc.ARCAuthenticationResult(
        result=arc.result, result_comment=comment, reason=_reason(arc.reason)
    )


def _dmarc(dmarc: Dmarc) -> object:
    comment = f"p={dmarc.policy} dis={dmarc.disposition}" if dmarc.policy else None
    return authres.dmarc.DMARCAuthenticationResult(
        result=dmarc.result,
        result_comment=comment,
        reason=_reason(dmarc.reason),
        header_from=_plain(dmarc.domain),
    )


def _plain(value: str) -> str | None:
    return value if _PLAIN.fullmatch(value) else None


def _reason(text: str) -> str | None:
    """Return a reason without ``@``, which ``authres`` would leave unquoted."""
    return text.replace("@", "?")[:200] or None


@dataclass(frozen=True, slots=True)
class Vouched:
    """What somebody's Authentication-Results say passed."""

    spf: tuple[str, ...] = ()
    """Domains."""
    dkim: tuple[str, ...] = ()
    dmarc: tuple[str, ...] = ()


def read_vouched(text: str) -> Vouched:
    """Read another's results; what cannot be read vouches for nothing."""
    try:
        header = _READING.parse_value(text)
    except (authres.AuthResError, ValueError, AttributeError, IndexError, TypeError):
        return Vouched()
    passed: dict[str, list[str]] = {"spf": [], "dkim": [], "dmarc": []}
    names = {"spf": ("mailfrom", "helo"), "dkim": ("d", "i"), "dmarc": ("from",)}
    for result in header.results:
        method = getattr(result, "method", "")
        if method in passed and result.result == "pass":
            values = [one.value or "" for one in result.properties if one.name in names[method]]
            passed[method] += [value.rpartition("@")[2].lower() for value in values]
    return Vouched(**{method: tuple(domains) for method, domains in passed.items()})
