"""ARC (RFC 8617): validating a chain of seals, and what trusted ones vouch for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from postmill.api.domains import find_domain
from postmill.api.ports import Resolver
from postmill.filters._canonical import Field, Parsed, off_loop
from postmill.filters._dkim import check_hashes, check_tags, decoded, read_tags, signed_names
from postmill.filters._dkim_keys import (
    FoundError,
    Record,
    Tags,
    check_key,
    domain_of,
    key_name,
    look_up_keys,
    words,
)

_MOST_SETS = 50
"""RFC 8617 §4.2.1."""
NAMES = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")
"""The headers of a set, in the order in which they are sealed (RFC 8617 §5.1.1)."""
_NAMES = tuple(name.lower().encode() for name in NAMES)
_RESULTS = re.compile(rb"\s{0,99}i\s{0,99}=\s{0,99}([0-9]{1,3})\s{0,99};(.*)", re.IGNORECASE | re.DOTALL)
"""An ARC-Authentication-Results' value."""


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


def is_sealed(parsed: Parsed) -> bool:
    """Tell whether a message has anything of a chain."""
    return any(map(parsed.named, _NAMES))


async def verify(parsed: Parsed, resolver: Resolver, within: float) -> Arc:
    """Validate the chain of a message; ``within`` is in seconds, for the keys in DNS."""
    if not is_sealed(parsed):
        return Arc("none")
    if parsed.too_large:
        return Arc("fail", "the headers are too large")
    try:
        sets = _sets(parsed)
        wanted = (sets[-1].message, *(one.seal for one in sets))
        keys = await look_up_keys({key_name(tags) for tags in wanted}, resolver, within)
        silent = {domain_of(tags[b"d"]) for tags in wanted if isinstance(keys[key_name(tags)], OSError)}
        if silent:
            return Arc("fail", "DNS failed", unanswered=frozenset(silent))
        await off_loop(parsed.size, lambda: _validate(parsed, sets, keys))
    except FoundError as found:
        return Arc("fail", found.reason)
    return Arc("pass", seals=tuple(map(_Set.told, reversed(sets))))


@dataclass(frozen=True, slots=True)
class _Set:
    """The three headers of one instance, in the order of their names."""

    instance: int
    fields: Sequence[Field]
    message: Tags
    """Those of its ARC-Message-Signature."""
    seal: Tags

    def told(self) -> Seal:
        """Return what counts of it later."""
        found = _RESULTS.fullmatch(self.fields[0].value)
        text = b"" if found is None else b" ".join(found[2].split())
        return Seal(self.instance, domain_of(self.seal[b"d"]), text.decode("utf-8", "replace"))


def _sets(parsed: Parsed) -> Sequence[_Set]:
    """Return the sets of a chain, the first first; raises FoundError for what is none (RFC 8617 §5.2)."""
    found: dict[int, list[tuple[Field, Tags]]] = {}
    if sum(len(parsed.named(name)) for name in _NAMES) > 3 * _MOST_SETS:
        raise FoundError("fail", f"more than {_MOST_SETS} sets")
    for place, name in enumerate(_NAMES):
        for field in parsed.named(name):
            tags = _results_tags(field) if place == 0 else read_tags(field)
            instance = _number(tags.get(b"i", b""))
            members = found.setdefault(instance, [])
            members.append((field, tags))
            if len(members) != place + 1:
                raise FoundError("fail", f"set {instance} is incomplete, or has a header twice")
    if sorted(found) != list(range(1, len(found) + 1)) or any(len(one) != 3 for one in found.values()):
        raise FoundError("fail", "a set of the chain is missing or incomplete")
    return [_checked(instance, *zip(*found[instance], strict=True)) for instance in sorted(found)]


def _results_tags(field: Field) -> Tags:
    found = _RESULTS.fullmatch(field.value)
    return {} if found is None else {b"i": found[1]}


def _number(instance: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,3}", instance):
        raise FoundError("fail", "a header of the chain has no instance")
    return int(instance)


def _checked(instance: int, fields: Sequence[Field], tags: Sequence[Tags]) -> _Set:
    _, message, seal = tags
    check_tags(message, (b"i", b"a", b"b", b"bh", b"d", b"h", b"s"), arc=True)
    check_tags(seal, (b"i", b"a", b"b", b"cv", b"d", b"s"), arc=True)
    if b"arc-seal" in signed_names(message) or b"h" in seal:
        raise FoundError("fail", f"set {instance} signs what it must not")
    if seal[b"cv"] != (b"none" if instance == 1 else b"pass"):
        raise FoundError("fail", f"seal {instance} says cv={words(seal[b'cv'].decode('ascii', 'replace'))}")
    return _Set(instance, fields, message, seal)


def _validate(parsed: Parsed, sets: Sequence[_Set], keys: Mapping[str, Record]) -> None:
    """Raise FoundError where the latest signature, or a seal, does not hold."""
    latest = sets[-1]
    key = check_key(keys[key_name(latest.message)], latest.message)
    check_hashes(parsed, latest.fields[1], latest.message, key)
    sealed = b""
    for one in sets:
        results, message, seal = one.fields
        sealed += results.relaxed + message.relaxed
        data = sealed + seal.without_signature.relaxed.removesuffix(b"\r\n")
        key = check_key(keys[key_name(one.seal)], one.seal)
        if not key.verifies(decoded(one.seal[b"b"]), data):
            raise FoundError("fail", f"seal {one.instance} did not verify")
        sealed += seal.relaxed


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
