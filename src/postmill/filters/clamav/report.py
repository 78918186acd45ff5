"""What is told of a scanned message: to its readers in headers, to a program in arguments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from postmill.api import Message

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


def parameters(msg: Message, virus: str) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of ``virus_action``, for each recipient in turn."""

    def first(name: str) -> str:
        return next(iter(msg.head.all(name)), "").replace("\n", "").strip()

    queue_id = msg.envelope.macros.get("i", "")
    for recipient in msg.envelope.recipients:
        sender, to = msg.sender.address.text, recipient.address.text
        texts = (virus, queue_id, sender, to, first("Subject"), first("Message-ID"), first("Date"))
        yield tuple(text.replace("\0", "") for text in texts)
