"""Greylisting itself: what becomes of a tuple of network, sender and recipient, by its entry and now.

Times are whole seconds since the epoch. Where entries are kept is the app's affair.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import quote

from postmill.filters.greylist.values import Config

PREFIX = "tuple "
_LONGEST = 600
_NETWORKS = 1000
"""How many clients' networks are remembered: one mail's recipients ask for the same one."""
_RENEWED = 100
"""Into how many parts of its time a known tuple's life is cut: within one, mail does not renew it."""
_PLAIN = re.compile(r"[A-Za-z0-9_.~<>@+=-]*")
"""What nothing of has to be quoted: nearly all addresses, and to quote takes ten times as long."""
_in_json = json.JSONEncoder(check_circular=False).encode
SLACK = 60
"""Seconds a store keeps entries longer than they count, lest its clock and ours disagree."""


@dataclass(slots=True)
class Entry:
    """One tuple that is known. Sender and recipient stand in angle brackets."""

    ip: str
    sender: str
    recipient: str
    until: int
    """When mail is let through from; with ``auto``, until when it is let through without delay."""
    auto: bool = False

    def encode(self) -> bytes:
        """Return it as bytes for a store."""
        return _in_json([self.ip, self.sender, self.recipient, self.until, self.auto]).encode()

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """Read what ``encode`` wrote; raises ValueError for anything else."""
        ip, sender, recipient, until, auto = json.loads(data.decode())
        if not (isinstance(until, int) and isinstance(auto, bool) and isinstance(ip, str)):
            raise ValueError(f"{data[:80]!r} is no entry of the greylist")
        return cls(ip, str(sender), str(recipient), until, auto)


@dataclass(slots=True)
class Step:
    """What becomes of one mail and of its entry."""

    passes: bool
    auto: bool
    """It was known, and is not delayed."""
    remaining: int
    """Seconds until it may come again."""
    elapsed: int
    """Seconds since it came first."""
    after: Entry
    lives: float
    """Seconds for which a store has to keep the entry."""


@dataclass(slots=True)
class Visit:
    """One mail that comes by with its tuple, and the times that count for it, all in seconds."""

    ip: str
    sender: str
    recipient: str
    now: int
    delay: int
    autowhite: int
    timeout: int
    longest: int
    """The longest of all delays: an entry that has to wait for more is from before the clock was put back."""

    def meets(self, known: Entry | None) -> Step:
        """Return what becomes of the mail, and of the entry that is ``known`` of its tuple."""
        now, delay = self.now, self.delay
        if known is not None and known.auto and self.autowhite and known.until >= now:
            after = self._auto()
            lasts = known.ip == self.ip and 0 <= after.until - known.until <= self.autowhite // _RENEWED
            return Step(True, True, 0, 0, known if lasts else after, self.autowhite + SLACK)
        if known is None or known.auto or not -self.longest <= now - known.until <= self.timeout:
            after = Entry(self.ip, self.sender, self.recipient, now + delay)
            return Step(delay <= 0, False, delay, 0, after, delay + self.timeout + SLACK)
        remaining, elapsed = known.until - now, now - (known.until - delay)
        if remaining > 0:
            return Step(False, False, remaining, elapsed, known, remaining + self.timeout + SLACK)
        return Step(True, False, 0, elapsed, self._auto(), self.autowhite + SLACK)

    def _auto(self) -> Entry:
        until = self.now + (self.autowhite or -1)  # 0: never, not even for the rest of this second
        return Entry(self.ip, self.sender, self.recipient, until, auto=True)


def network_of(ip: IPv4Address | IPv6Address, config: Config) -> str:
    """Return the network whose clients count as one."""
    return _network(ip, config.subnetmatch if ip.version == 4 else config.subnetmatch6)


@lru_cache(_NETWORKS)
def _network(ip: IPv4Address | IPv6Address, bits: int) -> str:
    return str(ip_network(f"{str(ip).partition('%')[0]}/{bits}", strict=False))


def key_of(network: str, sender: str, recipient: str) -> str:
    """Return the key of a tuple in a store; letters' case does not count."""
    path = f"{_quoted(sender.lower())} {_quoted(recipient.lower())}"
    if len(path) > _LONGEST:
        path = hashlib.sha256(path.encode()).hexdigest()
    return f"{PREFIX}{network} {path}"


def _quoted(address: str) -> str:
    return address if _PLAIN.fullmatch(address) else quote(address, safe="<>@+=")


def better(one: Entry, other: Entry) -> Entry:
    """Return that of two entries of a tuple by which mail is let through sooner, or for longer."""
    if one.auto != other.auto:
        return one if one.auto else other
    return one if (one.until > other.until) == one.auto else other


def lifetime(entry: Entry, now: int, timeout: int) -> float:
    """Return for how many seconds an entry from elsewhere counts; 0 or less: no more."""
    return entry.until - now + (0 if entry.auto else timeout)
