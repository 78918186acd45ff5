"""The organizational domain (RFC 7489 §3.2), by the public suffix list.

Two libraries read it: ``publicsuffixlist``, whose own list is kept up to date, and ``publicsuffix2``, which
Debian has.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable

SYSTEM_LIST = "/usr/share/publicsuffix/public_suffix_list.dat"


class Organizations:
    """Which organization a domain belongs to."""

    def __init__(self, registrable: Callable[[str], str | None]) -> None:
        """Take what finds a public suffix and one more label, None if there is no such."""
        self._registrable = registrable

    @classmethod
    def load(cls, path: str) -> Organizations:
        """Read the list at a path; empty: the system's, else the library's own.

        Raises OSError when it cannot be read, ValueError when it is no text or holds nothing, and
        ModuleNotFoundError when there is no library.
        """
        path = path or (SYSTEM_LIST if os.path.exists(SYSTEM_LIST) else "")
        lines = _read(path) if path else None
        try:
            library = importlib.import_module("publicsuffixlist")
        except ModuleNotFoundError:
            found = importlib.import_module("publicsuffix2").PublicSuffixList(lines).get_sld
            return cls(lambda domain: _below_top(found(domain), domain))
        return cls(library.PublicSuffixList(lines).privatesuffix)

    def of(self, domain: str) -> str:
        """Return the organizational domain of one in ``ascii_domain``'s form; itself if it has none."""
        return self._registrable(domain) or domain


def _below_top(found: str | None, domain: str) -> str | None:
    """Mend what ``publicsuffix2`` says below a top-level domain that no list has: that domain itself."""
    return found if found is None or "." in found else ".".join(domain.split(".")[-2:])


def _read(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if not any(line and not line.startswith("//") for line in lines):
        raise ValueError(f"{path} has no public suffixes")
    return lines
