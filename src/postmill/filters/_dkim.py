"""Verifying DKIM signatures (RFC 6376), for every filter that asks about them.

Keys are looked up first, all at once; what follows does without DNS. The syntax of signatures is judged by
dkimpy; what RFC 6376 and RFC 8301 ask and dkimpy does not look at is checked here, and so is what would keep
it busy for hours. Signing is the filter ``dkim-sign``; ARC stands in ``authentication``.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dkim import DKIMException, validate_signature_fields  # type: ignore[import-untyped]
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from postmill.api.domains import is_domain
from postmill.api.ports import Resolver
from postmill.filters._canonical import Field, Parsed, off_loop
from postmill.filters._dkim_keys import (
    FoundError,
    Key,
    Record,
    Tags,
    check_key,
    domain_of,
    key_name,
    look_up_keys,
    words,
)

MOST_SIGNATURES = 10
"""As many are verified; RFC 6376 §6.1 lets a verifier stop somewhere."""

_MALFORMED = (DKIMException, InvalidTagValueList, ValueError, KeyError, IndexError, TypeError)
"""What dkimpy raises when a signature is stranger than it thought."""
_LONGEST_HEADER = 10_000
_MOST_HEADERS = 400
"""Names in ``h=``."""
_DRIFT = 300
"""Seconds by which clocks may differ, as OpenDKIM has it."""
_BLANKS = re.compile(rb"\s{100}")  # regular expressions of dkimpy are quadratic in them


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one signature (RFC 8601 §2.7.1)."""

    result: str
    """``pass``, ``fail``, ``policy``, ``temperror`` or ``permerror``, as OpenDKIM has it."""
    domain: str = ""
    """The signer, ``d=``, with A-labels; empty where the signature does not say."""
    selector: str = ""
    reason: str = ""
    """Why it is no ``pass``; else empty."""
    algorithm: str = ""
    identity: str = ""
    """``i=`` as given, or ``@`` and the domain."""
    start: str = ""
    """How ``b=`` begins: it tells one signature from another (RFC 6008)."""
    bits: int = 0
    """Of the key; 0 where it was not seen."""


async def verify(raw: bytes, resolver: Resolver, within: float = 10.0) -> tuple[Result, ...]:
    """Verify the signatures of a message, from the top; none where it has none.

    ``within`` is in seconds, for the keys in DNS. Raises nothing of its own.
    """
    parsed = await off_loop(len(raw), lambda: Parsed.of(raw))
    return await verify_parsed(parsed, resolver, within)


async def verify_parsed(parsed: Parsed, resolver: Resolver, within: float) -> tuple[Result, ...]:
    """Verify a message that has been taken apart; otherwise like ``verify``."""
    fields = parsed.named(b"dkim-signature")
    if fields and parsed.too_large:
        return (Result("policy", reason="the headers are too large"),)
    signatures = [Signature.of(one) for one in fields[:MOST_SIGNATURES]]
    keys = await look_up_keys({one.key_name for one in signatures if one.key_name}, resolver, within)
    checked = await off_loop(parsed.size, lambda: [one.check(parsed, keys) for one in signatures])
    return (*checked, *_left_out(len(fields) - len(signatures)))


def _left_out(number: int) -> tuple[Result, ...]:
    reason = f"{number} more signatures, only {MOST_SIGNATURES} are verified"
    return (Result("policy", reason=reason),) if number else ()


def read_tags(field: Field) -> Tags:
    """Read a signature's or seal's header; raises FoundError."""
    value = field.value
    if len(value) > _LONGEST_HEADER or _BLANKS.search(value):
        raise FoundError("policy", "the signature's header is too large")
    try:
        tags: Tags = parse_tag_value(value)
    except (InvalidTagValueList, ValueError) as error:
        raise FoundError("permerror", words(error)) from None
    return tags


def check_tags(tags: Tags, mandatory: Sequence[bytes], *, arc: bool) -> None:
    """Raise FoundError for tags that make no signature (RFC 6376 §6.1.1)."""
    try:
        validate_signature_fields(_without_other_queries(tags), mandatory, arc)
        _check_times(tags, time.time())
    except _MALFORMED as error:
        raise FoundError("permerror", words(error)) from None
    for tag in (b"d", b"s"):
        name = domain_of(tags[tag])
        if not is_domain(name) or (tag == b"d" and "." not in name):
            raise FoundError("permerror", f"{tag.decode()}= is no domain")
    if b"from" not in signed_names(tags, b"from"):
        raise FoundError("permerror", "From is not signed")
    if tags[b"a"] == b"rsa-sha1":  # RFC 8301 §3.1
        raise FoundError("policy", "rsa-sha1 is no longer valid")


def _without_other_queries(tags: Tags) -> Tags:
    """Return tags without those ways to ask for a key that are not ours, if ours is among them."""
    ours = b"dns/txt" in map(bytes.strip, tags.get(b"q", b"").split(b":"))
    return {**tags, b"q": b"dns/txt"} if ours else tags


def _check_times(tags: Tags, now: float) -> None:
    """Raise ValueError for a signature of the past or future; dkimpy lets ten hours pass."""
    if int(tags.get(b"x", now)) < now - _DRIFT:
        raise ValueError("x= value is past")
    if int(tags.get(b"t", now)) > now + _DRIFT:
        raise ValueError("t= value is in the future")


def signed_names(tags: Tags, default: bytes = b"") -> list[bytes]:
    """Return the names in ``h=``, in lower case."""
    value = tags.get(b"h", default)
    if value.count(b":") > _MOST_HEADERS:
        raise FoundError("policy", "the signature's header is too large")
    return [name.strip().lower() for name in value.split(b":")]


def check_hashes(parsed: Parsed, field: Field, tags: Tags, key: Key) -> None:
    """Raise FoundError for a signature that is not of this message (RFC 6376 §6.1.3)."""
    header, body = _canonicalizations(tags)
    wanted, signature = decoded(tags[b"bh"]), decoded(tags[b"b"])
    try:
        found = parsed.body_hash(body, int(tags[b"l"]) if b"l" in tags else None)
    except ValueError as error:
        raise FoundError("permerror", words(error)) from None
    if found != wanted:
        raise FoundError("fail", "body hash did not verify")
    names = [*signed_names(tags), b"from"]  # one more: nobody may have added an author
    if not key.verifies(signature, parsed.signed(names, field, header)):
        raise FoundError("fail", "signature did not verify")


def _canonicalizations(tags: Tags) -> tuple[bool, bool]:
    """Tell of headers and of body whether they are relaxed."""
    header, _, body = tags.get(b"c", b"simple").partition(b"/")
    if not {header, body or b"simple"} <= {b"simple", b"relaxed"}:
        raise FoundError("permerror", "unknown canonicalization")
    return header == b"relaxed", body == b"relaxed"


def decoded(value: bytes) -> bytes:
    """Return what ``b=`` or ``bh=`` holds; raises FoundError for what is no base64."""
    try:
        return base64.b64decode(_unfolded(value), validate=True)
    except ValueError:
        raise FoundError("permerror", "b= or bh= is no base64") from None


def _unfolded(value: bytes) -> bytes:
    return b"".join(value.split())


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature, read but not verified."""

    field: Field
    tags: Tags
    wrong: FoundError | None
    """What is known about it already, if it cannot be verified."""

    @classmethod
    def of(cls, field: Field) -> Signature:
        """Read a header."""
        tags: Tags = {}
        try:
            tags = read_tags(field)
            check_tags(tags, (b"v", b"a", b"b", b"bh", b"d", b"h", b"s"), arc=False)
        except FoundError as found:
            return cls(field, tags, found)
        return cls(field, tags, None)

    @property
    def key_name(self) -> str:
        """Name of its key in DNS; empty if it is not needed."""
        return "" if self.wrong else key_name(self.tags)

    def check(self, parsed: Parsed, keys: Mapping[str, Record]) -> Result:
        """Verify it with the keys that were found."""
        bits = 0
        try:
            if self.wrong:
                raise self.wrong
            key = check_key(keys[self.key_name], self.tags)
            bits = key.bits
            check_hashes(parsed, self.field, self.tags, key)
        except FoundError as found:
            return self.answer(found.result, found.reason, bits)
        return self.answer("pass", bits=bits)

    def answer(self, result: str, reason: str = "", bits: int = 0) -> Result:
        """Return a result for it."""
        domain = _text(domain_of(self.tags.get(b"d", b"")).encode())
        return Result(
            result,
            domain,
            _text(self.tags.get(b"s", b"")),
            reason,
            _text(self.tags.get(b"a", b"")),
            _text(self.tags.get(b"i", b"")) or (f"@{domain}" if domain else ""),
            _text(_unfolded(self.tags.get(b"b", b"")))[:8],
            bits,
        )


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable() and letter != " ")
