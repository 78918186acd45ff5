"""The fixture that authors' tests find by itself."""

from __future__ import annotations

from datetime import UTC, datetime

from postmill.api import Client, Clock, Milter, Resolver, Tempfail, Verdict
from postmill.testing.pytest_plugin import Deliverer

app = Milter("office-hours")


@app.on
async def closed(client: Client, clock: Clock, resolver: Resolver) -> Verdict | None:
    known = await resolver.addresses("open.example")
    return None if known or clock.now().hour == 12 else Tempfail("4.7.1 closed")


def test_clock_and_dns_are_kept_from_message_to_message(postmill_deliver: Deliverer) -> None:
    assert postmill_deliver(app).status == "accept"
    postmill_deliver.wait(hours=3)
    assert postmill_deliver.now() == datetime(2026, 1, 5, 15, tzinfo=UTC)
    assert postmill_deliver(app).verdict == Tempfail("4.7.1 closed")
    postmill_deliver.dns["open.example"] = ["127.0.0.1"]
    assert postmill_deliver(app, to=["a@b.example"]).recipients == ("a@b.example",)
