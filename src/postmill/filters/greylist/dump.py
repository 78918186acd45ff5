"""milter-greylist's dump file: reading and writing it, as functions of its text.

A line is address, sender and recipient in angle brackets, and a time in seconds since the epoch: when mail is
let through from, or with ``AUTO`` until when without delay; seconds and ``TARPIT`` follow it where a client
left the tarpit early. What follows ``#`` is for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address

from postmill.filters.greylist.tuples import Entry

_LINE = re.compile(
    r"(\S+)\s+(<[^\t]*>)\s+(<[^\t]*>)\s+([0-9]{1,18})(?:\s+(AUTO)|\s+-?[0-9]+\s+(TARPIT))?\s*(?:#.*)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LATEST = 253402300799
"""The end of the year 9999."""


class DumpError(ValueError):
    """A line that is none of a dump file; the text says which."""


def read_dump(text: str) -> list[Entry]:
    """Return the entries of a dump file; those of its tarpit mean nothing here and are left out.

    Raises DumpError, a ValueError, with the number of the line.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            entry = _entry(bare, number)
            found += [entry] if entry else []
    return found


def _entry(line: str, number: int) -> Entry | None:
    form = _LINE.fullmatch(line)
    if form is None:
        raise DumpError(
            f"line {number}: expected address, <sender>, <recipient> and a time, not {line[:80]!r}"
        )
    try:
        ip = str(ip_address(form[1]))
    except ValueError:
        raise DumpError(f"line {number}: {form[1]!r} is no address") from None
    if int(form[4]) > _LATEST:
        raise DumpError(f"line {number}: {form[4]} is no time in seconds")
    if form[6]:
        return None
    return Entry(ip, form[2], form[3], int(form[4]), form[5] == "AUTO")


def write_dump(entries: Iterable[Entry]) -> str:
    """Return the text of a dump file."""
    lines = ["#  Sender IP\tSender e-mail\tRecipient e-mail\tTime accepted\n"]
    for entry in entries:
        when = datetime.fromtimestamp(entry.until, UTC).strftime("%Y-%m-%d %H:%M:%S")
        sender, recipient = (_CONTROL.sub("_", path) for path in (entry.sender, entry.recipient))
        mark = " AUTO" if entry.auto else ""
        lines.append(f"{entry.ip}\t{sender}\t{recipient}\t{entry.until}{mark} # {when}\n")
    return "".join(lines)
