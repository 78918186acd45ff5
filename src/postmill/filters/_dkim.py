"""Verifying DKIM signatures (RFC 6376), for every filter that asks about them: dkimpy does the cryptography.

Keys are looked up first, all at once, by the port ``Resolver``; dkimpy then works without DNS, in a thread.
What RFC 6376 and RFC 8301 ask of a key or a signature and dkimpy does not look at is checked here, and so is
what would keep dkimpy busy for hours. Signing is the filter ``dkim-sign``; ARC stands in ``authentication``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import dkim  # type: ignore[import-untyped]
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from postmill.api.domains import ascii_domain
from postmill.api.ports import Resolver

Tags = Mapping[bytes, bytes]
Record = str | OSError | None
"""A key's TXT record; None where there is none, the error where DNS failed."""

MOST_SIGNATURES = 10
"""As many are verified; RFC 6376 §6.1 lets a verifier stop somewhere."""
MALFORMED = (dkim.DKIMException, ValueError, KeyError, IndexError, TypeError, AssertionError)
"""What dkimpy raises when a signature or a key is stranger than it thought."""
SILENT = logging.Logger("dkimpy", logging.CRITICAL + 1)  # what it would say is in the results

_LONGEST_HEADER = 10_000
_LONGEST_KEY = 4_096
_BITS = range(1024, 8193)
"""RFC 8301 §3.2 asks for the least; more than the most takes seconds."""
_MOST_HEADERS = 400
"""Names in ``h=``."""
_MOST_LINES = 2_000
_MOST_HEAD = 1_000_000
"""Bytes of all headers; each signature goes through all of them."""
_BLANKS = re.compile(rb"\s{100}")  # regular expressions of dkimpy are quadratic in them
_WSP = re.compile(rb"[\t ]+")
_FIELD = re.compile(rb"\r\n(?![\t ])")


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


class FoundError(Exception):
    """The result is known without looking further."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


async def verify(raw: bytes, resolver: Resolver, within: float = 10.0) -> tuple[Result, ...]:
    """Verify the signatures of a message, from the top; none where it has none.

    ``within`` is in seconds, for the keys in DNS. Raises nothing of its own.
    """
    parsed = Parsed.of(raw)
    values = parsed.named(b"dkim-signature")
    if values and parsed.too_large:
        return (Result("policy", reason="the headers are too large"),)
    signatures = [Signature.of(value, place) for place, value in enumerate(values[:MOST_SIGNATURES])]
    keys = await look_up_keys({one.key_name for one in signatures if one.key_name}, resolver, within)
    checked = await asyncio.to_thread(_verify_all, parsed, signatures, keys)
    return (*checked, *_left_out(len(values) - len(signatures)))


def _verify_all(parsed: Parsed, signatures: Sequence[Signature], keys: Mapping[str, Record]) -> list[Result]:
    return [signature.check(parsed, keys) for signature in signatures]


def _left_out(number: int) -> tuple[Result, ...]:
    reason = f"{number} more signatures, only {MOST_SIGNATURES} are verified"
    return (Result("policy", reason=reason),) if number else ()


async def look_up_keys(names: Collection[str], resolver: Resolver, within: float) -> dict[str, Record]:
    """Return the record of each key, asked for all at once."""
    found = await asyncio.gather(*(_look_up(name, resolver, within) for name in names))
    return dict(zip(names, found, strict=True))


async def _look_up(name: str, resolver: Resolver, within: float) -> Record:
    try:
        async with asyncio.timeout(within):
            records = await resolver.texts(name, within=within)
    except OSError as error:
        return error if str(error) else TimeoutError(f"no answer within {within:g} s")
    versioned = [record for record in records if record.lstrip().startswith("v=DKIM1")]
    return next(iter(versioned or records), None)  # several are undefined (RFC 6376 §3.6.2.2)


@dataclass(frozen=True)
class Parsed:
    """A message as dkimpy keeps it: headers with all that follows the colon, and the body; lines end CRLF."""

    headers: list[list[bytes]]
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> Parsed:
        """Take it apart; lines that are no headers count for nothing."""
        head, _, body = _with_crlf(raw).partition(b"\r\n\r\n")
        headers = (one.partition(b":") for one in _FIELD.split(head.removeprefix(b"\r\n")))
        return cls([[name, value + b"\r\n"] for name, colon, value in headers if name and colon], body)

    def named(self, name: bytes) -> list[bytes]:
        """Return the values of the headers of a name in lower case."""
        return [value for one, value in self.headers if one.lower() == name]

    @property
    def too_large(self) -> bool:
        """Whether verifying would take seconds for the headers alone."""
        return len(self.headers) > _MOST_LINES or sum(map(len, chain(*self.headers))) > _MOST_HEAD

    @cached_property
    def compressed_body(self) -> bytes:
        """The body with one blank for several, which relaxed canonicalization makes of it anyhow."""
        return _WSP.sub(b" ", self.body)

    def for_dkimpy(self, signer: dkim.DomainSigner, canonicalization: bytes) -> None:
        """Make it the message of one of dkimpy's objects."""
        signer.headers = self.headers
        relaxed = canonicalization.partition(b"/")[2].strip() == b"relaxed"
        signer.body = self.compressed_body if relaxed else self.body


def _with_crlf(raw: bytes) -> bytes:
    if raw.count(b"\n") == raw.count(b"\r\n"):
        return raw
    return re.sub(rb"\r?\n", b"\r\n", raw)


def check_size(value: bytes) -> None:
    """Raise for a signature's header that would take too long to look at."""
    if len(value) > _LONGEST_HEADER or _BLANKS.search(value) or value.count(b":") > _MOST_HEADERS:
        raise FoundError("policy", "the signature's header is too large")


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature, read but not verified."""

    place: int
    tags: Tags
    wrong: FoundError | None
    """What is known about it already, if it cannot be verified."""

    @classmethod
    def of(cls, value: bytes, place: int) -> Signature:
        """Read the signature at a place among them, from 0."""
        tags: Tags = {}
        try:
            check_size(value)
            tags = parse_tag_value(value)
            _check_tags(tags)
        except FoundError as found:
            return cls(place, tags, found)
        except (*MALFORMED, InvalidTagValueList) as error:
            return cls(place, tags, FoundError("permerror", words(error)))
        return cls(place, tags, None)

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
            self._verify(parsed, key)
        except FoundError as found:
            return self.answer(found.result, found.reason, bits)
        return self.answer("pass", bits=bits)

    def _verify(self, parsed: Parsed, key: Key) -> None:
        signer = dkim.DKIM(logger=SILENT)
        parsed.for_dkimpy(signer, self.tags.get(b"c", b""))
        try:
            valid = signer.verify(self.place, dnsfunc=lambda name, timeout=5: key.record)
        except (*MALFORMED, InvalidTagValueList) as error:
            if isinstance(error, dkim.ValidationError) and "body hash" in str(error):
                raise FoundError("fail", "body hash did not verify") from None
            raise FoundError("permerror", words(error)) from None
        if not valid:
            raise FoundError("fail", "signature did not verify")

    def answer(self, result: str, reason: str = "", bits: int = 0) -> Result:
        """Return a result for it."""
        domain = _domain(self.tags)
        return Result(
            result,
            domain,
            _text(self.tags.get(b"s", b"")),
            reason,
            _text(self.tags.get(b"a", b"")),
            _text(self.tags.get(b"i", b"")) or (f"@{domain}" if domain else ""),
            _text(re.sub(rb"\s+", b"", self.tags.get(b"b", b"")))[:8],
            bits,
        )


def _check_tags(tags: Tags) -> None:
    dkim.validate_signature_fields(tags)
    names = [name.strip().lower() for name in tags[b"h"].split(b":")]
    if b"from" not in names:  # RFC 6376 §6.1.1
        raise FoundError("permerror", "From is not signed")
    if tags[b"a"] == b"rsa-sha1":  # RFC 8301 §3.1
        raise FoundError("policy", "rsa-sha1 is no longer valid")


def key_name(tags: Tags) -> str:
    """Return the name of a signature's key in DNS."""
    return f"{_text(tags[b's'])}._domainkey.{_domain(tags)}"


@dataclass(frozen=True, slots=True)
class Key:
    """A signature's key that may be used."""

    record: bytes
    """Without the tags that have been checked: dkimpy takes lists of services for one."""
    bits: int


def check_key(record: Record, tags: Tags) -> Key:
    """Return a signature's key; raises for one that must not be used (RFC 6376 §6.1.2)."""
    if isinstance(record, OSError):
        raise FoundError("temperror", f"key not found: {words(record)}")
    if record is None:
        raise FoundError("permerror", "no key for signature")
    if len(record) > _LONGEST_KEY:
        raise FoundError("policy", "the key's record is too large")
    try:
        key = parse_tag_value(record.encode("ascii"))
        _check_use(key, tags)
        plain = b"; ".join(b"%s=%s" % (tag, key[tag]) for tag in (b"v", b"k", b"p") if tag in key)
        public, bits, kind, _ = dkim.evaluate_pk(key_name(tags), plain)
    except (*MALFORMED, InvalidTagValueList) as error:
        raise FoundError("permerror", f"bad key: {words(error)}") from None
    if kind == b"rsa" and (bits not in _BITS or public["publicExponent"].bit_length() > 64):
        raise FoundError("policy", f"RSA key of {bits} bits")
    return Key(plain, bits)


def _check_use(key: Tags, tags: Tags) -> None:
    kind, _, hashed = tags[b"a"].partition(b"-")
    if not key.get(b"p", b"-"):
        raise FoundError("permerror", "key was revoked")
    if key.get(b"k", b"rsa") != kind:
        raise FoundError("permerror", "key is for another algorithm")
    if b"h" in key and hashed not in _listed(key[b"h"]):
        raise FoundError("permerror", "key is for another hash")
    if not {b"*", b"email"} & _listed(key.get(b"s", b"*")):
        raise FoundError("permerror", "key is not for mail")
    if b"s" in _listed(key.get(b"t", b"")) and not _same_domain(tags):
        raise FoundError("permerror", "key is not for subdomains")


def _same_domain(tags: Tags) -> bool:
    return tags.get(b"i", b"@" + tags[b"d"]).rpartition(b"@")[2].lower() == tags[b"d"].lower()


def _listed(value: bytes) -> set[bytes]:
    return {one.strip() for one in value.split(b":")}


def _domain(tags: Tags) -> str:
    return ascii_domain(_text(tags.get(b"d", b"")))


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable() and letter != " ")


def words(said: object) -> str:
    """Say in a few words what dkimpy had to say, which may hold what the sender wrote."""
    text = re.sub(r"\(.*", "", str(said), flags=re.DOTALL).strip() or type(said).__name__
    return "".join(letter if " " <= letter < "\x7f" else "?" for letter in text)[:100]
