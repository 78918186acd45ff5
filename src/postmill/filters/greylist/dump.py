"""milter-greylist's dump file: reading and writing it, as functions of its text.

A line is address, sender and recipient, mostly in angle brackets, and a time in seconds since the epoch: when
mail is let through from, or with ``AUTO`` until when without delay; seconds and ``TARPIT`` follow it where a
client left the tarpit early. What follows ``#`` is for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from postmill.filters.greylist.tuples import Entry

_PATH = r"((?><[^\t]*?>(?=\s))|[^\s<>]+)"
"""The first ``>`` before a blank ends it: else two addresses could be taken for one."""
_LINE = re.compile(
    rf"(\S+)\s+{_PATH}\s+{_PATH}\s+([0-9]{{1,18}})(?:\s+((?i:AUTO))|\s+-?[0-9]+\s+((?i:TARPIT)))?\s*(?:#.*)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LATEST = 253402300799
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What stands in a dump file."""

    entries: list[Entry]
    """Those of the tarpit mean nothing here and are not among them."""
    left_out: list[str]
    """Lines that are none of a dump: number, and what is wrong."""


def read_dump(text: str) -> Dump:
    """Read a dump file; as with milter-greylist, one line that is broken leaves the others as they are."""
    found = Dump([], [])
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        try:
            entry = _entry(bare)
        except ValueError as error:
            found.left_out.append(f"line {number}: {error}")
        else:
            found.entries.extend([entry] if entry else [])
    return found


def _entry(line: str) -> Entry | None:
    form = _LINE.fullmatch(line)
    if form is None:
        raise ValueError(f"expected address, <sender>, <recipient> and a time, not {line[:80]!r}")
    try:
        ip = str(ip_address(form[1]))
    except ValueError:
        raise ValueError(f"{form[1]!r} is no address") from None
    if int(form[4]) > _LATEST:
        raise ValueError(f"{form[4]} is no time in seconds")
    if form[6]:
        return None
    return Entry(ip, _in_brackets(form[2]), _in_brackets(form[3]), int(form[4]), bool(form[5]))


def _in_brackets(address: str) -> str:
    return address if address.startswith("<") else f"<{address}>"


def write_dump(entries: Iterable[Entry]) -> str:
    """Return the text of a dump file."""
    lines = ["#  Sender IP\tSender e-mail\tRecipient e-mail\tTime accepted\n"]
    for entry in entries:
        when = datetime.fromtimestamp(entry.until, UTC).strftime("%Y-%m-%d %H:%M:%S")
        sender, recipient = (_CONTROL.sub("_", path) for path in (entry.sender, entry.recipient))
        mark = " AUTO" if entry.auto else ""
        lines.append(f"{entry.ip}\t{sender}\t{recipient}\t{entry.until}{mark} # {when}\n")
    return "".join(lines)
