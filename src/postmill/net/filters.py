"""A milter that runs in this process, as one of the children."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from postmill.chain.breaker import Breaker
from postmill.chain.child import ChildSpec
from postmill.chain.negotiation import Offer
from postmill.chain.steps import Lost
from postmill.chain.talks import NegotiateTalk
from postmill.filtering import FilterSession, Served
from postmill.mail.body import Body
from postmill.net.children import ChildService
from postmill.net.filter_stream import FilterStream
from postmill.net.link import ChildLink
from postmill.net.poller import Loop
from postmill.wire.endpoint import Endpoint
from postmill.wire.packets import OptNeg

IN_PROCESS = Endpoint("unix", path="")
"""Stands where another child has its socket."""


class FilterLink(ChildLink):
    """A link to one ``FilterSession``, which agrees to the offer before it is asked anything."""

    __slots__ = ("_filters",)

    def __init__(self, service: FilterService) -> None:
        """Be a link to this filter; the session begins with the negotiation."""
        super().__init__(service)
        self._filters = service

    def _recall(self, talk: NegotiateTalk) -> None:
        session, answer = self._filters.session(talk.offer)
        talk.take(answer)
        failed = partial(self.fail, "filter")
        self.connected(FilterStream(self._filters.loop, self._filters.spec.name, session, self.data, failed))


class FilterService(ChildService):
    """Gives each session its own ``FilterSession``; all else is as with a child behind a socket."""

    def __init__(
        self,
        loop: Loop,
        spec: ChildSpec,
        served: Served,
        breaker: Breaker,
        open_links: set[ChildLink],
        *,
        new_body: Callable[[], Body],
    ) -> None:
        """Run ``served``; ``new_body`` makes the place where it keeps a body."""
        super().__init__(loop, spec, IN_PROCESS, breaker, open_links, forget=lambda name: None)
        self._served = served
        self._new_body = new_body
        self._answers: dict[Offer, OptNeg] = {}

    def new_link(self) -> ChildLink:
        """Return a link without a session yet."""
        return FilterLink(self)

    def connect(self, link: ChildLink) -> None:
        """Leave it to the negotiation, which is the first thing on each link."""

    def failed(self, lost: Lost | None) -> None:
        """A link failed; only time-outs count for the breaker.

        A handler that raises costs no time, and what made it raise may be one odd message: whoever finds such
        a message could otherwise have the filter left alone, and with it everybody's mail.
        """
        if lost is None or lost.kind not in ("filter", "protocol"):
            super().failed(lost)
            return
        self.last_failure = self.now(), lost
        self.breaker.faltered()

    def session(self, offer: Offer) -> tuple[FilterSession, OptNeg]:
        """Return a new session that has agreed to an offer, and what it answered."""
        session = FilterSession(self._served, self._new_body)
        answer = self._answers.get(offer)
        if answer is None:
            answer = self._answers[offer] = self._served.answer(offer.to_children)
        session.agree(offer.to_children, answer)
        return session, answer
