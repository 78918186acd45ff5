"""The plug-in for pytest, found by itself where Postmill is installed: the fixture ``postmill_deliver``.

    def test_members_only(postmill_deliver):
        assert postmill_deliver(app, to=["team@staff.example"]).status == "reject"

Within one test it keeps the store, the answers of DNS and the clock, which stands still until it is set:

    def test_comes_back_later(postmill_deliver):
        assert postmill_deliver(app).status == "temporary-failure"
        postmill_deliver.wait(minutes=10)
        assert postmill_deliver(app).status == "accept"
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from postmill.api import Milter
    from postmill.testing.delivery import Delivery

BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""When the clock stands at first: a Monday noon."""


class Deliverer:
    """Delivers messages one after another into the same world."""

    def __init__(self) -> None:
        self.moment = BEGIN
        self.dns: dict[str, Any] = {}
        """Names to their answers: a list of texts, or an OSError that is raised."""
        self._ports: dict[type[Any], Any] | None = None

    def now(self) -> datetime:
        """Return what its clock shows."""
        return self.moment

    def wait(self, **time: float) -> None:
        """Let time go by: ``days``, ``hours``, ``minutes``, ``seconds``."""
        self.moment += timedelta(**time)

    def __call__(self, milter: Milter, **what: Any) -> Delivery:
        """Deliver one message; takes what ``postmill.testing.deliver`` takes."""
        from postmill.testing.delivery import deliver, empty_ports  # noqa: PLC0415 - not in every pytest

        if self._ports is None:
            self._ports = empty_ports(self, self.dns)
        ports = {**self._ports, **what.pop("ports", {})}
        return deliver(milter, ports=ports, **what)


@pytest.fixture
def postmill_deliver() -> Deliverer:
    """Deliver messages through a milter without sockets."""
    return Deliverer()
