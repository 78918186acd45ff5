"""What the readers of a scanned message are told, in its headers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

SCANNED, STATUS = "X-Virus-Scanned", "X-Virus-Status"


def infected_headers(host: str, status: str) -> tuple[tuple[str, str], ...]:
    """Return both headers, by whom and with what result."""
    return (SCANNED, f"postmill {_version()} at {host or 'localhost'}"), (STATUS, status)


@cache
def _version() -> str:
    try:
        return version("postmill")
    except PackageNotFoundError:  # run from its sources
        return "unreleased"
