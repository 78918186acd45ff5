"""What conditions may ask of the world (``postmill.api.ports``), as the daemon has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from postmill.api.ports import Clock, Load, Ports, Resolver
from postmill.net.resolver import DnsResolver


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock``."""
        now = time.time()
        local = time.localtime(now)
        return datetime.fromtimestamp(now, _zone(local.tm_gmtoff, local.tm_zone))


@lru_cache(2)
def _zone(offset: int, name: str) -> timezone:
    """Return what ``astimezone`` makes anew each time, which takes five times as long as all the rest."""
    return timezone(timedelta(seconds=offset), name)


def system_ports(load: Callable[[], Load]) -> Ports:
    """Return every port; they belong to the event loop of one worker."""
    resolver, clock = DnsResolver(), SystemClock()
    return {Resolver: lambda: resolver, Clock: lambda: clock, Load: load}
