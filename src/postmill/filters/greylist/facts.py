"""What the rules judge by: all that is known of a mail at one stage, and what may be asked about it.

Nobody changes these values, nor the other ones here that are made anew for every recipient; they are not
frozen, for to make a frozen dataclass takes three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from postmill.api.nouns import IPAddress
from postmill.filters.greylist.values import Item

Question = tuple[str, Item | None]
"""Kind of clause, and its item; None where it is not about one, as the result of SPF."""
Answer = str | bool
"""Of SPF the result, of DKIM with the property that RFC 8601 puts behind it: ``fail header.d=a.example``."""
WORDS = {
    "spf": {"permerror": "unknown", "temperror": "error"},
    "dkim": {"permerror": "error", "temperror": "error", "neutral": "unknown"},
}
"""Clause to results as RFC 8601 has them, and what milter-greylist calls them."""
_BLANK = re.compile(r"[\x00-\x20\x7f]")


@dataclass(slots=True)
class Facts:
    """A mail at one stage. Addresses stand in angle brackets, as milter-greylist compares them."""

    ip: IPAddress
    host: str
    helo: str
    rawfrom: str
    recipients: tuple[str, ...]
    """At RCPT the one in question, later those that were let through."""
    now: datetime
    macros: Mapping[str, str] = field(default_factory=dict)
    recipient: str = ""
    """The one in question, for texts; at RCPT; milter-greylist has none later."""
    recipient_count: int = 0
    headers: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    """Headers and body are lines, as far as rules look at them; one that is folded is several."""
    size: int = 0
    answers: Mapping[Question, Answer] = field(default_factory=dict)

    @property
    def sender(self) -> str:
        """The sender for rules and tuples, see ``sender_of``."""
        return sender_of(self.rawfrom)


def path_of(address: str) -> str:
    """Return an address in angle brackets, without blanks and control characters, as dump files have it."""
    return f"<{_BLANK.sub('_', address)}>"


def sender_of(rawfrom: str) -> str:
    """Return a sender without what mailing lists put before the last ``=``.

    They make a new one of these for each try (VERP), which would never be known.
    """
    text = _BLANK.sub("_", rawfrom)
    return "<" + text.rpartition("=")[2] if "=" in text else text
