"""How often somebody may guess a password: waits that double, for each address and for each user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

OF_A_USER = 5
"""Failures without a wait."""
OF_AN_ADDRESS = 20
_FIRST_WAIT = 15.0
_LONGEST_WAIT = 900.0
_FORGOTTEN_AFTER = 3600.0
MOST = 10_000
"""Users and addresses that are remembered."""


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Throttle:
    """Counts failed logins; times are seconds of ``now``."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures: dict[tuple[str, str], _Failures] = {}

    def wait(self, address: str, user: str) -> float:
        """Return the seconds for which no password of this user, or from this address, is looked at."""
        now = self._now()
        known = (self._failures.get(key) for key, _ in _keys(address, user))
        return max((max(0.0, one.until - now) for one in known if one is not None), default=0.0)

    def failed(self, address: str, user: str) -> None:
        """Count a failure."""
        now = self._now()
        self._forget(now)
        for key, free in _keys(address, user):
            one = self._failures.setdefault(key, _Failures())
            one.count += 1
            one.last = now
            if one.count >= free:
                doubled = _FIRST_WAIT * 2.0 ** min(one.count - free, 10)
                one.until = now + min(doubled, _LONGEST_WAIT)

    def succeeded(self, address: str, user: str) -> None:
        """Take back the one failure, and forget those of the user.

        Those of the address stay, lest somebody who has one account guesses the others in between.
        """
        (of_address, free), (of_user, _) = _keys(address, user)
        self._failures.pop(of_user, None)
        if (one := self._failures.get(of_address)) is not None:
            one.count -= 1
            one.until = 0.0 if one.count < free else one.until

    def _forget(self, now: float) -> None:
        if len(self._failures) < MOST:
            return
        kept = {key: one for key, one in self._failures.items() if now - one.last < _FORGOTTEN_AFTER}
        for key in sorted(kept, key=lambda each: kept[each].until)[: max(0, len(kept) - MOST // 2)]:
            del kept[key]
        self._failures = kept


def _keys(address: str, user: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return ((("address", _network(address)), OF_AN_ADDRESS), (("user", user[:64]), OF_A_USER))


def _network(address: str) -> str:
    """Return the address, or the network of an IPv6 address that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(int(parsed) >> 64)
    return address
