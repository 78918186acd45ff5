"""Public keys of DKIM and ARC: looked up by the port ``Resolver``, judged by RFC 6376 §6.1.2 and RFC 8301.

The cryptography is that of the library ``cryptography``. What a signature has to say for itself stands in
``_dkim``.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from postmill.api.domains import ascii_domain
from postmill.api.ports import Resolver
from postmill.filters._together import together

Tags = Mapping[bytes, bytes]
Record = str | OSError | None
"""A key's TXT record; None where there is none, the error where DNS failed."""

NO_KEY, REVOKED = "no key for signature", "key was revoked"
"""Reasons of a ``permerror`` for which others have results of their own."""
_LONGEST = 4_096
_BITS = range(1024, 8193)
"""RFC 8301 §3.2 asks for the least; more than the most takes long."""


class FoundError(Exception):
    """The result is known without looking further."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


@dataclass(frozen=True, slots=True)
class Key:
    """A signature's key that may be used."""

    public: RSAPublicKey | Ed25519PublicKey
    bits: int

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Tell whether it made a signature of some data."""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, data, PKCS1v15(), SHA256())
            else:
                self.public.verify(signature, sha256(data).digest())  # RFC 8463 §3
        except InvalidSignature:
            return False
        return True


def key_name(tags: Tags) -> str:
    """Return the name of a signature's key in DNS."""
    return f"{domain_of(tags[b's'])}._domainkey.{domain_of(tags[b'd'])}"


def domain_of(value: bytes) -> str:
    """Return the value of ``d=`` or ``s=`` in the form in which names are compared."""
    return ascii_domain(value.decode("utf-8", "replace"))


async def look_up_keys(names: Collection[str], resolver: Resolver, within: float) -> dict[str, Record]:
    """Return the record of each key, asked for all at once; ``within`` is in seconds."""
    found = await together(_look_up(name, resolver, within) for name in names)
    return dict(zip(names, found, strict=True))


async def _look_up(name: str, resolver: Resolver, within: float) -> Record:
    try:
        async with asyncio.timeout(within):
            records = await resolver.texts(name, within=within)
    except OSError as error:
        return error if str(error) else TimeoutError(f"no answer within {within:g} s")
    versioned = [record for record in records if record.lstrip().startswith("v=DKIM1")]
    return next(iter(versioned or records), None)  # several are undefined (RFC 6376 §3.6.2.2)


def check_key(record: Record, tags: Tags) -> Key:
    """Return a signature's key; raises FoundError for one that must not be used."""
    if isinstance(record, OSError):
        raise FoundError("temperror", f"key not found: {words(record)}")
    if record is None:
        raise FoundError("permerror", NO_KEY)
    if len(record) > _LONGEST:
        raise FoundError("policy", "the key's record is too large")
    try:
        key = parse_tag_value(record.encode("ascii"))
    except (ValueError, InvalidTagValueList) as error:
        raise FoundError("permerror", f"bad key: {words(error)}") from None
    _check_use(key, tags)
    kind = key.get(b"k", b"rsa")
    try:
        public = _public(kind, base64.b64decode(key.get(b"p", b"")))
    except (ValueError, UnsupportedAlgorithm):
        raise FoundError("permerror", f"bad key: p= is no {kind.decode()} key") from None
    return Key(public, _checked_bits(public))


def _check_use(key: Tags, tags: Tags) -> None:
    kind, _, hashed = tags[b"a"].partition(b"-")
    if key.get(b"v", b"DKIM1") != b"DKIM1":
        raise FoundError("permerror", "bad key: bad version")
    if not key.get(b"p", b"-"):
        raise FoundError("permerror", REVOKED)
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


def _public(kind: bytes, data: bytes) -> RSAPublicKey | Ed25519PublicKey:
    if kind == b"ed25519":
        return Ed25519PublicKey.from_public_bytes(data)
    public = load_der_public_key(data)
    if kind != b"rsa" or not isinstance(public, RSAPublicKey):
        raise ValueError
    return public


def _checked_bits(public: RSAPublicKey | Ed25519PublicKey) -> int:
    if not isinstance(public, RSAPublicKey):
        return 256
    numbers, bits = public.public_numbers(), public.key_size
    if bits not in _BITS or numbers.e.bit_length() > 64:
        raise FoundError("policy", f"RSA key of {bits} bits")
    return bits


def words(said: object) -> str:
    """Say in a few words what a library had to say, which may hold what the sender wrote."""
    text = re.sub(r"\(.*", "", str(said), flags=re.DOTALL).strip() or type(said).__name__
    text = re.sub(r"\bb'([^']*)'", r"\1", text)
    return "".join(letter if " " <= letter < "\x7f" else "?" for letter in text)[:100]
