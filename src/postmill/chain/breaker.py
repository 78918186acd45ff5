"""A circuit breaker for one child: after some failures in a row it is left alone for a while.

Closed: every session may connect. Open: nobody connects, the child counts as lost at once. Half open: one
session may try; its success closes the breaker, its failure opens it for twice as long, up to a bound.

It is there for the time that each session would lose to a child that is down. One that is quick to say that
it cannot judge a message loses nobody's time: that is trouble, but none to be left alone for.
"""

from __future__ import annotations


class Breaker:
    """Counts failures; knows no clock, so every call is given the time in seconds."""

    __slots__ = ("_failures", "_most", "_retry", "_threshold", "_until", "_wait", "probing", "troubled")

    def __init__(self, failures: int = 3, retry: float = 1.0, retry_max: float = 4.0) -> None:
        """Open after ``failures`` in a row, for ``retry`` seconds at first and ``retry_max`` at most."""
        self._threshold = failures
        self._retry = retry
        self._most = retry_max
        self._failures = 0
        self._wait = retry
        self._until = 0.0
        self.probing = False
        self.troubled = False
        """Whether the last thing heard of the child was a failure."""

    @property
    def is_open(self) -> bool:
        """Whether sessions are being kept away."""
        return self._failures >= self._threshold > 0

    @property
    def until(self) -> float:
        """When one session may try again, if it is open."""
        return self._until

    def allows(self, now: float) -> bool:
        """Tell whether a session may connect; when half open, the one that asks first is the probe."""
        if not self.is_open:
            return True
        if self.probing or now < self._until:
            return False
        self.probing = True
        return True

    def succeeded(self) -> None:
        """Close the breaker."""
        self._failures = 0
        self._wait = self._retry
        self.probing = self.troubled = False

    def faltered(self) -> None:
        """Close the breaker, for a child that is there although it could not do what it was asked."""
        self.succeeded()
        self.troubled = True

    def failed(self, now: float) -> None:
        """Count one failure; a failed probe doubles the time until the next one."""
        if self.is_open:
            self._wait = min(self._wait * 2, self._most)
        self._failures += 1
        self.troubled = True
        self.probing = False
        if self.is_open:
            self._until = now + self._wait
