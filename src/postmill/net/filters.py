"""A milter that runs in this process, as one of the children."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from postmill.chain.breaker import Breaker
from postmill.chain.child import ChildSpec
from postmill.filtering import FilterSession, Served
from postmill.mail.body import Body
from postmill.net.children import ChildService
from postmill.net.filter_stream import FilterStream
from postmill.net.link import ChildLink
from postmill.net.poller import Loop
from postmill.wire.endpoint import Endpoint

IN_PROCESS = Endpoint("unix", path="")
"""Stands where another child has its socket."""


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

    def connect(self, link: ChildLink) -> None:
        """Begin a session."""
        session = FilterSession(self._served, self._new_body)
        link.connected(
            FilterStream(self.loop, self.spec.name, session, link.data, partial(link.fail, "filter"))
        )
