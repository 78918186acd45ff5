"""Passwords as hashes: scrypt (RFC 7914) in the textual form of the Password Hashing Competition.

``$scrypt$ln=15,r=8,p=3$SALT$HASH``: the logarithm of the cost, block size, parallelism, then salt and hash in
Base64 without padding.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode

_LOG_COST, _BLOCK, _PARALLEL = 15, 8, 3
"""32 MB and about a quarter of a second."""
_FORM = re.compile(r"\$scrypt\$ln=(1[0-8]),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")
_MOST_MEMORY = 1 << 30
LONGEST = 1024
"""Characters of a password; what is longer is none."""


def hash_password(password: str) -> str:
    """Return the hash of a password, with a salt of its own."""
    salt = os.urandom(16)
    digest = _scrypt(password, salt, _LOG_COST, _BLOCK, _PARALLEL, 32)
    return f"$scrypt$ln={_LOG_COST},r={_BLOCK},p={_PARALLEL}${_encoded(salt)}${_encoded(digest)}"


def fits(password: str, hashed: str) -> bool:
    """Tell whether a password is the one of a hash; takes as long when there is no hash."""
    found = _FORM.fullmatch(hashed or _NOBODY)
    if found is None or len(password) > LONGEST:
        return False
    log_cost, block, parallel = map(int, found.groups()[:3])
    salt, wanted = map(_decoded, found.groups()[3:])
    try:
        digest = _scrypt(password, salt, log_cost, block, parallel, len(wanted))
    except ValueError:  # more memory than there may be
        return False
    return hmac.compare_digest(digest, wanted) and bool(hashed)


def _scrypt(password: str, salt: bytes, log_cost: int, block: int, parallel: int, length: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    cost = 1 << log_cost
    return hashlib.scrypt(secret, salt=salt, n=cost, r=block, p=parallel, dklen=length, maxmem=_MOST_MEMORY)


def _encoded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


_NOBODY = f"$scrypt$ln={_LOG_COST},r={_BLOCK},p={_PARALLEL}${_encoded(bytes(16))}${_encoded(bytes(32))}"
"""What the password of a user is held against that there is not."""
