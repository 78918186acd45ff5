"""Signs outgoing mail with DKIM (RFC 6376, RFC 8463), by RSA and Ed25519 keys.

It signs the message as it is, so it has to be the last milter that changes anything. Verifying is the filter
``authentication``.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim import DKIM  # type: ignore[import-untyped]

from postmill.api.domains import Domain, find_domain
from postmill.api.edits import HeaderEdit
from postmill.api.kinds import Choice, Flag, ListOf, Text, quoted
from postmill.api.mail_kinds import Network
from postmill.api.milter import Milter
from postmill.api.nouns import Message, Sender
from postmill.api.ports import Clock
from postmill.api.settings import key, required
from postmill.api.verdicts import Accept, Verdict
from postmill.filters._author import TooManyAuthorsError, UnclearAuthorError, author_domains
from postmill.filters._canonical import Field, Parsed, off_loop

_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*")
_ODD = re.compile(rb"[\v\f]|\r(?!\n)")
_LEAST_BITS = 1024
_WIDTH = 76
"""Characters of a line of the header, where it can be folded."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where a private key lies, and the name of its public half in DNS."""

    selector: str
    file: str


KeyTable = Mapping[str, tuple[KeyFile, ...]]


@dataclass(frozen=True, slots=True)
class Keys:
    """Domains, each with its keys."""

    allowed: str = (
        "a table of domains, each with a key or a list of keys, such as "
        '{ "example.org" = { selector = "s1", file = "/etc/postmill/dkim/example.org.pem" } }; '
        '".example.org" is for every domain below it, whose mail is signed as example.org'
    )

    def parse(self, raw: Any) -> KeyTable:
        """See ``Kind``; the files are read later."""
        if not isinstance(raw, dict) or not raw:
            raise ValueError
        found: dict[str, tuple[KeyFile, ...]] = {}
        for written, keys in raw.items():
            domain = Domain().parse(written)
            if domain in found:
                raise ValueError(f"{domain} is there twice, in two spellings")
            found[domain] = self._keys(written, keys)
        return found

    @staticmethod
    def _keys(domain: str, raw: Any) -> tuple[KeyFile, ...]:
        keys = raw if isinstance(raw, list) else [raw]
        for one in keys:
            if not isinstance(one, dict) or set(one) != {"selector", "file"}:
                raise ValueError(f"a key of {domain} must be a table with selector and file")
            if not isinstance(one["selector"], str) or not _SELECTOR.fullmatch(one["selector"]):
                raise ValueError(f"the selector of {domain} must be a name such as s1 or 2026.mail")
            if not isinstance(one["file"], str) or not one["file"].startswith("/") or "\0" in one["file"]:
                raise ValueError(f"the file of {domain} must be the absolute path of a private key")
        if not keys:
            raise ValueError(f"{domain} has no key")
        return tuple(KeyFile(one["selector"], one["file"]) for one in keys)

    def show(self, value: KeyTable) -> str:
        """See ``Kind``."""
        domains = (
            f"{quoted(domain)} = [{', '.join(_shown(one) for one in keys)}]" for domain, keys in value.items()
        )
        return f"{{ {', '.join(domains)} }}"


def _shown(one: KeyFile) -> str:
    return f"{{ selector = {quoted(one.selector)}, file = {quoted(one.file)} }}"


_NAME = Text(r"[!-9;-~]+", "the name of a header")


@dataclass(frozen=True, slots=True)
class Settings:
    """Whose mail is signed, with which keys, and what of it."""

    keys: KeyTable = required(
        Keys(),
        "Keys by the domain in `From`. A key is RSA in PEM, or Ed25519 in PEM or as base64; nobody but the "
        "owner of its file, and for reading its group, may have any right to it. Several sign several times.",
    )
    sign_authenticated: bool = key(Flag(), True, "Sign mail of users who have logged in.")
    networks: tuple[IPv4Network | IPv6Network, ...] = key(
        ListOf(Network()),
        ["127.0.0.0/8", "::1"],
        "Sign mail of these clients; mail submitted on this host itself is signed always.",
    )
    headers: tuple[str, ...] = key(
        ListOf(_NAME, 1),
        sorted(name.decode().title() for name in DKIM.SHOULD),
        "Headers to sign, all of each name; `From` must be among them.",
        when_absent="those that RFC 6376 §5.4.1 recommends",
    )
    oversign: tuple[str, ...] = key(
        ListOf(_NAME),
        ["From"],
        "Headers to sign once more than they are there, so that none can be added.",
    )
    canonicalization: str = key(
        Choice(
            tuple(f"{header}/{body}" for header in ("relaxed", "simple") for body in ("relaxed", "simple"))
        ),
        "relaxed/simple",
        "How much headers and body may change on their way: `relaxed` forgives other blanks.",
    )


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that has been read."""

    selector: str
    secret: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As ``a=`` has it."""
        return "rsa-sha256" if isinstance(self.secret, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some data."""
        if isinstance(self.secret, RSAPrivateKey):
            return self.secret.sign(data, PKCS1v15(), SHA256())
        return self.secret.sign(sha256(data).digest())  # RFC 8463 §3


class Ring:
    """All keys, by the domains that they are for."""

    def __init__(self, keys: Mapping[str, Sequence[PrivateKey]]) -> None:
        """Take them as they stand in the settings."""
        self._keys = keys

    def of(self, domains: Sequence[str]) -> tuple[str, Sequence[PrivateKey]]:
        """Return the signing domain and keys for the first domain that has some; none: empty."""
        for domain in domains:
            if found := find_domain(domain, self._keys):
                return found.removeprefix("."), self._keys[found]
        return "", ()


app = Milter("dkim-sign", Settings, order=800)  # where opendkim stands: behind all that edit


@app.prepare
def load(settings: Settings) -> Ring:
    """Read the keys."""
    if "from" not in map(str.lower, settings.headers):
        raise ValueError("headers: From must be signed (RFC 6376 §5.4)")
    for name in (*settings.headers, *settings.oversign):
        if name.lower().encode() in DKIM.SHOULD_NOT:
            raise ValueError(f"{name} must not be signed: it changes on its way (RFC 6376 §5.4.1)")
    return Ring({domain: tuple(map(read_key, files)) for domain, files in settings.keys.items()})


def read_key(where: KeyFile) -> PrivateKey:
    """Read a private key; raises OSError when it cannot be read, ValueError when it is none or not safe."""
    with open(where.file, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        content = file.read(100_000)
    if mode & 0o037:
        raise ValueError(f"{where.file} has mode {mode:04o}, open to others: chmod 0600 it, or 0640")
    try:
        secret = _parse_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it needs a password
        raise ValueError(
            f"{where.file} is no private key: RSA or Ed25519 in PEM without a password, or Ed25519 in base64"
        ) from None
    if isinstance(secret, RSAPrivateKey) and secret.key_size < _LEAST_BITS:
        raise ValueError(
            f"{where.file} is a key of {secret.key_size} bits, which nobody accepts (RFC 8301 §3.2)"
        )
    return PrivateKey(where.selector, secret)


def _parse_key(content: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    if b"-----BEGIN" not in content:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(content.strip(), validate=True))
    secret = load_pem_private_key(content, None)
    if not isinstance(secret, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError
    return secret


@app.on
async def leave_alone(sender: Sender, settings: Settings) -> Verdict | None:
    """Look at nothing that is not ours to sign."""
    return None if may_sign(sender, settings) else Accept("not ours to sign")


@app.on
async def sign(
    msg: Message, settings: Settings, ring: Ring, edit: HeaderEdit, clock: Clock
) -> Verdict | None:
    """Sign a message, if there is a key for its author's domain."""
    try:
        authors = author_domains(msg.head.all("From"))
    except UnclearAuthorError as error:
        authors = error.domains  # one: whoever reads the header, it is the same domain
        if len(authors) != 1:
            return Accept(f"not signed: {error}")
    except TooManyAuthorsError as error:
        return Accept(f"not signed: {error}")
    domain, keys = ring.of(authors)
    if not keys:
        return Accept(f"not signed: no key for {', '.join(authors)}"[:300])
    now = int(clock.now().timestamp())
    for made in await off_loop(msg.size, lambda: signatures(msg.raw, domain, keys, settings, now)):
        edit.insert_header(0, "DKIM-Signature", made)
    return Accept(f"signed for {domain} by {', '.join(one.selector for one in keys)}")


def may_sign(sender: Sender, settings: Settings) -> bool:
    """Tell whether mail of this client is ours to sign."""
    ip = sender.client.ip
    if settings.sign_authenticated and sender.user is not None:
        return True
    return ip is None or any(ip in network for network in settings.networks)


def signatures(
    raw: bytes, domain: str, keys: Sequence[PrivateKey], settings: Settings, now: int
) -> list[str]:
    """Return the value of a DKIM-Signature by each key, folded; ``now`` is in seconds since 1970."""
    parsed = Parsed.of(raw)
    return [_signature(parsed, domain, one, settings, now) for one in keys]


def _signature(parsed: Parsed, domain: str, one: PrivateKey, settings: Settings, now: int) -> str:
    names = signed_names(parsed, settings)
    header, body = _canonicalizations(parsed, names, settings)
    words = [
        "v=1;",
        f"a={one.algorithm};",
        f"c={'relaxed' if header else 'simple'}/{'relaxed' if body else 'simple'};",
        f"d={domain};",
        f"s={one.selector};",
        f"t={now};",
        *f"h={b': '.join(names).decode()};".split(),
        f"bh={base64.b64encode(parsed.body_hash(body)).decode()};",
    ]
    text = "\n\t".join(_lines(words)) + "\n\tb="
    own = Field(b"DKIM-Signature", f" {text}\n".replace("\n", "\r\n").encode())
    found = base64.b64encode(one.sign(parsed.signed(names, own, header))).decode()
    return text + "\n\t".join(found[at : at + _WIDTH - 10] for at in range(0, len(found), _WIDTH - 10))


def _canonicalizations(parsed: Parsed, names: Sequence[bytes], settings: Settings) -> tuple[bool, bool]:
    """Tell of headers and of body whether they are signed relaxed.

    Verifiers disagree about what else is a blank beside blank and tab, so what has such is signed as it is.
    """
    header, body = (part == "relaxed" for part in settings.canonicalization.split("/"))
    signed = (one.value for name in set(names) for one in parsed.named(name))
    return header and not any(map(_ODD.search, signed)), body and not _ODD.search(parsed.body)


def _lines(words: Sequence[str]) -> Iterator[str]:
    """Put words into lines; none is torn apart, however long it is."""
    line, room = "", _WIDTH - len("DKIM-Signature: ")
    for word in words:
        if line and len(line) + 1 + len(word) > room:
            yield line
            line, room = "", _WIDTH - 8
        line = f"{line} {word}".lstrip()
    yield line


def signed_names(parsed: Parsed, settings: Settings) -> list[bytes]:
    """Return the names for ``h=``: each signed header as often as it is there, and more to forbid others."""
    wanted = {name.lower().encode() for name in settings.headers}
    present = [one.name.rstrip().lower() for one in parsed.fields]
    return [name for name in present if name in wanted] + [
        name.lower().encode() for name in settings.oversign
    ]
