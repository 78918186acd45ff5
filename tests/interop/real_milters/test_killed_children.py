"""A child is killed under traffic and comes back; nobody touches Postmill.

While the child is away mail goes on by its `on_error`; it is in use again within five seconds of its return.
The five seconds are a promise of the product, not a measure of speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.interop.postfix import wait_until
from tests.interop.real_milters.conftest import Arrangement
from tests.interop.real_milters.scenarios import ALICE, HAM, LOCAL, OUTSIDE
from tests.interop.real_milters.traffic import Sent, Traffic, flowing
from tests.stack.dialogue import Client

RETURN = 5.0
#: Sessions to see in each phase before going on to the next.
ENOUGH = 3


@dataclass(frozen=True)
class Child:
    """A filter, mail that it marks, and the mark."""

    name: str
    mark: str
    client: Client = OUTSIDE
    sender: str = HAM


CHILDREN = [
    Child("milter-greylist", "X-Greylist"),
    Child("spamass-milter", "X-Spam-Checker-Version"),
    Child("clamav-milter", "X-Virus-Scanned"),
    Child("opendkim", "DKIM-Signature", LOCAL, ALICE),
    Child("opendmarc", "DMARC-Filter"),
    Child("rspamd", "X-Rspamd-Server"),
]


class Observer:
    """Both ways with traffic on them, and which of the accepted messages carry the mark."""

    def __init__(self, arrangement: Arrangement, child: Child) -> None:
        self.arrangement = arrangement
        self.mark = child.mark
        self.accept, self.tempfail = (
            Traffic(way, arrangement.ports[way], child.client, child.sender) for way in ("accept", "tempfail")
        )
        self._marks: dict[str, bool] = {}

    def marked(self, sent: Sent) -> bool | None:
        """Tell whether the delivered message bears the mark; None when it was not delivered (yet)."""
        for delivery in self.arrangement.mailbox.take():
            self._marks[delivery.header("Subject").strip()] = bool(delivery.header(self.mark))
        return self._marks.get(sent.subject)

    def used(self, sent: Sent) -> bool:
        """Tell whether the child has handled this message."""
        return sent.accepted and self.marked(sent) is True

    def went_on(self, sent: Sent) -> bool:
        """Tell whether the message was delivered without the child."""
        return sent.accepted and self.marked(sent) is False

    def wait_for_use(self, traffic: Traffic, since: float, seconds: float) -> None:
        """Return when the child has handled a message since then; TimeoutError after `seconds`."""
        wait_until(
            lambda: any(map(self.used, traffic.after(since))),
            f"{traffic.way} does not use the child",
            seconds,
        )

    def seen(self, test: Callable[[Sent], bool], traffic: Traffic, since: float) -> bool:
        """Tell whether enough sessions since then pass the test."""
        return sum(map(test, traffic.after(since))) >= ENOUGH


@pytest.mark.parametrize("child", CHILDREN, ids=lambda child: child.name)
def test_killed_and_restarted_under_traffic(child: Child, arrangement: Arrangement) -> None:
    observer = Observer(arrangement, child)
    accept, tempfail = observer.accept, observer.tempfail
    victims = {arrangement.filters.chain(way)[child.name] for way in ("accept", "tempfail")}
    with flowing(accept, tempfail):
        for traffic in (accept, tempfail):
            observer.wait_for_use(traffic, 0, 30)
        for victim in victims:
            victim.kill()
        gone = time.monotonic()
        wait_until(lambda: observer.seen(observer.went_on, accept, gone), "mail that goes on")
        wait_until(lambda: observer.seen(lambda sent: sent.refused, tempfail, gone), "mail that is put off")
        returning = time.monotonic()
        for victim in victims:
            victim.start()
        back = time.monotonic()
        for traffic in (accept, tempfail):
            observer.wait_for_use(traffic, back, back + RETURN - time.monotonic())
    settle(observer)
    away = accept.between(gone, returning)
    assert all(map(observer.went_on, away)), away
    away = tempfail.between(gone, returning)
    assert all(sent.refused for sent in away), away
    everything = [*accept.sent, *tempfail.sent]
    assert all(sent.accepted or sent.refused for sent in everything), everything


def settle(observer: Observer) -> None:
    """Wait until every accepted message is delivered: none may be lost."""
    accepted = [sent for sent in (*observer.accept.sent, *observer.tempfail.sent) if sent.accepted]
    wait_until(lambda: all(observer.marked(sent) is not None for sent in accepted), "all deliveries")
