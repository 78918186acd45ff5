"""DKIM keys made anew for each run (no private key lies in the repository), and messages signed with them."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Any

import dkim  # type: ignore[import-untyped]
import nacl.signing
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

MESSAGE = b"""\
From: Joe <joe@example.net>
To: jane@example.org
Subject: hello
Date: Thu, 26 Nov 2026 10:00:00 +0000
Message-ID: <1@example.net>

Hello,  Jane.

Joe
""".replace(b"\n", b"\r\n")


@dataclass(frozen=True)
class Key:
    """The private half as dkimpy wants it, and the TXT record with the public one."""

    private: bytes
    record: str
    algorithm: bytes

    def sign(self, message: bytes = MESSAGE, domain: str = "example.net", **how: Any) -> bytes:
        """Return the message with a signature at its top."""
        how.setdefault("signature_algorithm", self.algorithm)
        line: bytes = dkim.sign(message, b"s1", domain.encode(), self.private, **how)
        return line + message

    def signature_of(self, data: bytes) -> bytes:
        """Return an RSA key's signature of some data, for what dkimpy does not make."""
        key = load_pem_private_key(self.private, None)
        assert isinstance(key, RSAPrivateKey)
        return key.sign(data, PKCS1v15(), SHA256())


@cache
def rsa(bits: int = 1024) -> Key:
    """Make an RSA key."""
    made = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], check=True, capture_output=True)
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"], input=made.stdout, check=True, capture_output=True
    )
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(public.stdout).decode()}"
    return Key(made.stdout, record, b"rsa-sha256")


@cache
def ed25519() -> Key:
    """Make an Ed25519 key (RFC 8463)."""
    key = nacl.signing.SigningKey.generate()
    record = f"v=DKIM1; k=ed25519; p={base64.b64encode(bytes(key.verify_key)).decode()}"
    return Key(base64.b64encode(bytes(key)), record, b"ed25519-sha256")
