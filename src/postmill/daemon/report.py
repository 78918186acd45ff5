"""What one worker says of itself when its parent asks: plain values, made into a status by ``status``."""

from __future__ import annotations

import time
from typing import Any

from postmill.net.children import ChildService
from postmill.net.service import Service
from postmill.record import Tally

UP, DOWN, LEFT_ALONE, UNTRIED = "up", "down", "left-alone", "untried"
"""Where a child stands: it answers; failed when it was last asked; failed too often (``chain.breaker``); was
not asked yet."""


def report(service: Service, tally: Tally) -> dict[str, Any]:
    """Return how a worker stands now, and what it has counted since its start."""
    age = time.time() - service.now()
    return {
        "sessions": len(service.connections),
        "children": {
            name: _child(child, tally.child(name).heard, age) for name, child in service.children.items()
        },
        "tally": tally.as_dict(),
    }


def _child(child: ChildService, heard: float, age: float) -> dict[str, Any]:
    """Return how a child stands; ``age`` turns the time of the process into that of the wall clock."""
    lost = child.last_failure
    failed = round(lost[0] + age, 3) if lost is not None else 0.0
    pool = child.pool
    state = {
        "state": UP if heard or failed else UNTRIED,
        "at": max(heard, failed),
        "until": None,
        "error": None if lost is None else {"text": lost[1].text, "at": failed},
        "links": child.links,
        "queued": child.queued,
        "pool": None if pool is None else {"idle": len(pool), "trust": pool.trust, "why": pool.why},
    }
    if child.breaker.is_open:
        state |= {"state": LEFT_ALONE, "at": failed, "until": round(child.breaker.until + age, 3)}
    elif child.breaker.troubled:
        state |= {"state": DOWN, "at": failed}
    return state
