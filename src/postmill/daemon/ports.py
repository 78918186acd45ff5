"""What conditions may ask of the world (``postmill.api.ports``), as the daemon has it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from postmill.api.ports import Clock, Load, Ports, Resolver
from postmill.net.resolver import DnsResolver


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC).astimezone()


def system_ports(load: Callable[[], Load]) -> Ports:
    """Return every port; they belong to the event loop of one worker."""
    resolver, clock = DnsResolver(), SystemClock()
    return {Resolver: lambda: resolver, Clock: lambda: clock, Load: load}
