"""ARC (RFC 8617): verifying a chain of seals with dkimpy, and what trusted ones vouch for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dkim  # type: ignore[import-untyped]
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from postmill.api.domains import ascii_domain, find_domain
from postmill.api.ports import Resolver
from postmill.filters._dkim import (
    MALFORMED,
    SILENT,
    FoundError,
    Parsed,
    Record,
    check_key,
    check_size,
    key_name,
    look_up_keys,
    words,
)

_MOST_SETS = 50
"""RFC 8617 §4.2.1."""
NAMES = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
_NAMES = tuple(name.lower().encode() for name in NAMES)


@dataclass(frozen=True, slots=True)
class Seal:
    """One instance of a valid chain."""

    instance: int
    domain: str
    found: str
    """What its sealer found, as in an Authentication-Results header's value."""


@dataclass(frozen=True, slots=True)
class Arc:
    """The state of a message's chain."""

    result: str
    """``pass``, ``fail`` or ``none``."""
    reason: str = ""
    seals: tuple[Seal, ...] = ()
    """Those of a chain that passed, the latest first."""
    unanswered: frozenset[str] = frozenset()
    """Signers whose keys DNS failed to give."""


async def verify(raw: bytes, resolver: Resolver, within: float) -> Arc:
    """Verify the chain of a message; ``within`` is in seconds, for the keys in DNS."""
    parsed = Parsed.of(raw)
    headers = [header for header in parsed.headers if header[0].lower() in _NAMES]
    if not headers:
        return Arc("none")
    if parsed.too_large:
        return Arc("fail", "the headers are too large")
    if len(headers) > 3 * _MOST_SETS:
        return Arc("fail", f"more than {_MOST_SETS} sets")
    signatures = [_tags(value) for name, value in headers if name.lower() != _NAMES[2]]
    if any(signature is None for signature in signatures):
        return Arc("fail", "a header of the chain is malformed")
    wanted = {_key(signature): signature for signature in signatures if signature is not None}
    keys = await look_up_keys({name for name, _, _ in wanted}, resolver, within)
    return await asyncio.to_thread(_verify, parsed, keys)


def _tags(value: bytes) -> Mapping[bytes, bytes] | None:
    """Read a seal or signature, folds and all; None where it lacks what is needed to look further."""
    try:
        check_size(value)
        tags: Mapping[bytes, bytes] = parse_tag_value(re.sub(rb"\s+", b" ", value))
    except (FoundError, InvalidTagValueList):
        return None
    return tags if all(tags.get(tag) for tag in (b"a", b"d", b"s")) else None


def _key(tags: Mapping[bytes, bytes]) -> tuple[str, bytes, bytes]:
    return key_name(tags), tags[b"a"], tags[b"d"]


class _Chain(dkim.ARC):  # type: ignore[misc]  # dkimpy has no types
    """A message's chain, its keys known; of the signatures only the latest is verified (RFC 8617 §5.2)."""

    def __init__(self, parsed: Parsed, keys: Mapping[str, Record]) -> None:
        super().__init__(logger=SILENT)
        self.parsed = parsed
        self.keys = keys
        self.newest = True
        self.unanswered: set[str] = set()
        parsed.for_dkimpy(self, b"")

    def verify_sig(self, sig: Any, include_headers: Any, sig_header: Any, dnsfunc: Any) -> bool:
        """See dkimpy."""
        if sig_header[0].lower() == b"arc-message-signature":
            if not self.newest:
                return True
            self.newest = False
            self.parsed.for_dkimpy(self, sig[b"c"])
        record = self.keys.get(key_name(sig))
        if isinstance(record, OSError):
            self.unanswered.add(ascii_domain(sig[b"d"].decode("utf-8", "replace")))
        try:
            key = check_key(record, sig)
        except FoundError:
            return False
        return bool(super().verify_sig(sig, include_headers, sig_header, lambda name, timeout=5: key.record))


def _verify(parsed: Parsed, keys: Mapping[str, Record]) -> Arc:
    chain = _Chain(parsed, keys)
    try:
        state, sets, reason = chain.verify()
    except (*MALFORMED, InvalidTagValueList):
        return Arc("fail", "a header of the chain is malformed")
    if state != dkim.CV_Pass:
        return Arc("fail", words(reason), unanswered=frozenset(chain.unanswered))
    return Arc("pass", seals=tuple(map(_seal, sets)))


def _seal(found: Mapping[str, Any]) -> Seal:
    text = found["aar-value"].decode("utf-8", "replace")
    return Seal(
        found["instance"],
        ascii_domain(found["as-domain"].decode("utf-8", "replace")),
        re.sub(r"^\s*i\s*=\s*\d+\s*;\s*", "", text, flags=re.IGNORECASE).strip(),
    )


def vouched(arc: Arc, trusted: Collection[str]) -> tuple[str, ...]:
    """Return what trusted sealers found, the latest first.

    Only as far back as every later sealer is trusted, too: each could have changed the message.
    """
    found = []
    for seal in arc.seals:
        if not find_domain(seal.domain, trusted):
            break
        found.append(seal.found)
    return tuple(found)
