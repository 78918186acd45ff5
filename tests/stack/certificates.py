"""X.509 certificates for SMTP over TLS, made anew for each run: no private key lies in the repository."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

#: Long enough for every run, and no date in the past that a wrong clock could miss.
DAYS = "3650"


@dataclass(frozen=True)
class Certificate:
    """A key and its certificate, both as PEM files."""

    key: Path
    chain: Path


class Authority:
    """A certificate authority below ``directory``, and what it signs."""

    def __init__(self, directory: Path, name: str = "Postmill test authority") -> None:
        directory.mkdir(parents=True, mode=0o755)
        self._directory = directory
        own = Certificate(directory / "authority.key", directory / "authority.pem")
        _openssl("req", "-x509", *_new_key(own.key), *_subject(name), "-days", DAYS, "-out", str(own.chain))
        self.certificate = own.chain
        self._key = own.key

    def sign(self, name: str) -> Certificate:
        """Make a key with a certificate whose common name is ``name``."""
        made = Certificate(self._directory / f"{name}.key", self._directory / f"{name}.pem")
        request = self._directory / f"{name}.csr"
        _openssl("req", "-new", *_new_key(made.key), *_subject(name), "-out", str(request))
        signer = ("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial")
        _openssl("x509", "-req", "-in", str(request), *signer, "-days", DAYS, "-out", str(made.chain))
        return made


def _new_key(path: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(path))


def _subject(name: str) -> tuple[str, ...]:
    return ("-subj", f"/O=Postmill tests/CN={name}")


def _openssl(*args: str) -> None:
    done = subprocess.run(["openssl", *args], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.decode(errors='replace')}")
