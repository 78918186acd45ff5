"""Signs outgoing mail with DKIM (RFC 6376, RFC 8463): with dkimpy, by RSA and Ed25519 keys.

It signs the message as it is, so it has to be the last milter that changes anything. Verifying is the filter
``authentication``.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import dkim  # type: ignore[import-untyped]
from dkim.crypto import UnparsableKeyError, parse_pem_private_key  # type: ignore[import-untyped]

from postmill.api.domains import Domain, find_domain
from postmill.api.edits import HeaderEdit
from postmill.api.kinds import Choice, Flag, ListOf, Text, quoted
from postmill.api.mail_kinds import Network
from postmill.api.milter import Milter
from postmill.api.nouns import Message, Sender
from postmill.api.settings import key, required
from postmill.api.verdicts import Accept, Verdict
from postmill.filters._author import author_domains
from postmill.filters._dkim import SILENT, Parsed

_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*")
_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s(.*?)\s-----END", re.DOTALL)
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""How a PKCS #8 Ed25519 key begins in DER (RFC 8410 §7); the key follows."""
_LEAST_BITS = 1024


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
        return {Domain().parse(domain): self._keys(domain, keys) for domain, keys in raw.items()}

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
        sorted(name.decode().title() for name in dkim.DKIM.SHOULD),
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
    algorithm: bytes
    secret: bytes = b""
    """As dkimpy wants it."""

    def __repr__(self) -> str:
        return f"<{self.algorithm.decode()} key of selector {self.selector}>"


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
        if name.lower().encode() in dkim.DKIM.SHOULD_NOT:
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
        algorithm, secret = _parse_key(content)
    except (ValueError, IndexError, KeyError, AssertionError, UnparsableKeyError):
        raise ValueError(
            f"{where.file} is no private key: RSA or Ed25519 in PEM without a password, or Ed25519 in base64"
        ) from None
    if algorithm == b"ed25519-sha256" and importlib.util.find_spec("nacl") is None:
        raise ValueError(f"{where.file} is an Ed25519 key, which needs the Python library pynacl")
    if algorithm == b"rsa-sha256" and (bits := _bits(secret)) < _LEAST_BITS:
        raise ValueError(f"{where.file} is a key of {bits} bits, which nobody accepts (RFC 8301 §3.2)")
    return PrivateKey(where.selector, algorithm, secret)


def _parse_key(content: bytes) -> tuple[bytes, bytes]:
    """Return the algorithm, and the key as dkimpy wants it."""
    pem = _PEM.search(content.replace(b"\r\n", b"\n"))
    if pem is None:
        return b"ed25519-sha256", _seed(base64.b64decode(content.strip(), validate=True))
    body = base64.b64decode(re.sub(rb"\s+", b"", pem[2]), validate=True)
    if body.startswith(_ED25519):
        return b"ed25519-sha256", _seed(body.removeprefix(_ED25519))
    secret = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (
        pem[1],
        base64.encodebytes(body).strip(),
        pem[1],
    )
    parse_pem_private_key(secret)
    return b"rsa-sha256", secret


def _seed(secret: bytes) -> bytes:
    if len(secret) != 32:
        raise ValueError
    return base64.b64encode(secret)


def _bits(secret: bytes) -> int:
    return int(parse_pem_private_key(secret)["modulus"].bit_length())


@app.on
async def leave_alone(sender: Sender, settings: Settings) -> Verdict | None:
    """Look at nothing that is not ours to sign."""
    return None if may_sign(sender, settings) else Accept("not ours to sign")


@app.on
def sign(msg: Message, settings: Settings, ring: Ring, edit: HeaderEdit) -> Verdict | None:
    """Sign a message, if there is a key for its author's domain."""
    try:
        authors = author_domains(msg.head.all("From"))
    except ValueError as error:
        return Accept(f"not signed: {error}")  # whose mail it is, is not clear
    domain, keys = ring.of(authors)
    if not keys:
        return Accept(f"not signed: no key for {', '.join(authors)}"[:300])
    parsed = Parsed.of(msg.raw)
    for one in keys:
        edit.insert_header(0, "DKIM-Signature", signature(parsed, domain, one, settings))
    return Accept(f"signed for {domain} by {', '.join(one.selector for one in keys)}")


def may_sign(sender: Sender, settings: Settings) -> bool:
    """Tell whether mail of this client is ours to sign."""
    ip = sender.client.ip
    if settings.sign_authenticated and sender.user is not None:
        return True
    return ip is None or any(ip in network for network in settings.networks)


def signature(parsed: Parsed, domain: str, one: PrivateKey, settings: Settings) -> str:
    """Return the value of a DKIM-Signature, folded; raises OSError when dkimpy does not make one."""
    signer = dkim.DKIM(logger=SILENT, signature_algorithm=one.algorithm)
    canonicalization = settings.canonicalization.encode()
    parsed.for_dkimpy(signer, canonicalization)
    try:
        line: bytes = signer.sign(
            one.selector.encode(),
            domain.encode(),
            one.secret,
            canonicalize=tuple(canonicalization.split(b"/")),
            include_headers=signed_names(parsed, settings),
        )
    except dkim.DKIMException as error:
        raise OSError(f"cannot sign for {domain}: {error}") from error
    text = line.decode("ascii").removeprefix("DKIM-Signature:").strip()
    return text.replace("\r\n", "\n")


def signed_names(parsed: Parsed, settings: Settings) -> list[bytes]:
    """Return the names for ``h=``: each signed header as often as it is there, and more to forbid others."""
    wanted = {name.lower().encode() for name in settings.headers}
    present = [name.lower() for name, _ in parsed.headers]
    return [name for name in present if name in wanted] + [
        name.lower().encode() for name in settings.oversign
    ]
