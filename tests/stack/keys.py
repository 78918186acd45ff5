"""DKIM keys for the test domains, made anew for each run: no private key lies in the repository."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SELECTOR = "s1"


@dataclass(frozen=True)
class DkimKey:
    """The key of one domain: where the private half lies, and the TXT record with the public half."""

    domain: str
    private: Path
    record: str

    @property
    def name(self) -> str:
        """The DNS name of the record."""
        return f"{SELECTOR}._domainkey.{self.domain}"

    @property
    def zone_line(self) -> str:
        """The record as a line of a box's zone: TXT strings hold at most 255 bytes (RFC 1035 §3.3)."""
        pieces = (self.record[start : start + 250] for start in range(0, len(self.record), 250))
        return f"{self.name} TXT " + " ".join(f'"{piece}"' for piece in pieces)


def make_key(directory: Path, domain: str) -> DkimKey:
    """Generate a 2048 bit key for `domain` below `directory`."""
    directory.mkdir(parents=True)
    subprocess.run(
        ["/usr/sbin/opendkim-genkey", "-b", "2048", "-d", domain, "-s", SELECTOR, "-D", str(directory)],
        check=True,
        capture_output=True,
    )
    text = (directory / f"{SELECTOR}.txt").read_text()
    return DkimKey(domain, directory / f"{SELECTOR}.private", "".join(re.findall(r'"([^"]*)"', text)))
