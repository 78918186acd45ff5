"""One request to one page: who asks, what the page may use, and how it answers.

``page`` and ``action`` make a handler a route. Whoever is not in is sent to the login; an action takes a
form, only from an operator, and with the token of that user.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from jinja2 import Environment
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from postmill.config import Loaded
from postmill.errors import PostmillError
from postmill.web.archive import PERIODS, Archive, Period
from postmill.web.daemon import Daemon, Status
from postmill.web.examination import Examination
from postmill.web.people import People, Person
from postmill.web.throttle import Throttle

_MOST_BYTES = 16384
_FORM_WITHIN = 10.0
TOKEN = "token"  # noqa: S105
"""The field of a form that shows where it comes from."""


@dataclass(slots=True)
class House:
    """All that pages share."""

    loaded: Loaded
    """The configuration that the dashboard itself runs with."""
    people: People
    throttle: Throttle
    daemon: Daemon
    archive: Archive | None
    """None without a history."""
    templates: Environment
    examination: Examination
    now: Callable[[], float]


@dataclass(slots=True)
class Visit:
    """One request."""

    request: Request
    house: House
    who: Person | None
    form: Mapping[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    """What could not be found out, for the page to say."""

    def page(self, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        """Answer with a page."""
        text = self.house.templates.get_template(template).render(
            who=self.who,
            path=self.request.url.path,
            troubles=self.troubles,
            has_samples=self.house.loaded.settings.web.samples is not None,
            **values,
        )
        return HTMLResponse(text, code)

    def problem(self, status: int, text: str) -> HTMLResponse:
        """Answer with a page that says what is wrong."""
        return self.page("error.html", status, status=status, text=text)

    def asked(self, name: str) -> str:
        """Return a value of the query, empty where there is none."""
        return self.request.query_params.get(name, "").strip()[:500]

    @property
    def period(self) -> Period:
        """The period that a page is asked for."""
        name = self.asked("period")
        return next((period for period in PERIODS if period.name == name), PERIODS[0])

    async def status(self) -> Status | None:
        """Return the daemon's status; None, and a trouble for the page to show, when it cannot be asked."""
        try:
            return await self.house.daemon.status()
        except PostmillError as error:
            self.troubles.append(str(error))
            return None

    async def from_history(self, answer: Awaitable[Any], otherwise: Any) -> Any:
        """Return what the history says; ``otherwise``, and a trouble to show, when it cannot be read."""
        try:
            return await answer
        except OSError as error:
            self.troubles.append(f"history: {error}")
            return otherwise


Handler = Callable[[Visit], Awaitable[Response]]


def page(path: str, handler: Handler) -> Route:
    """Make a page for everybody who is in."""

    async def endpoint(request: Request) -> Response:
        visit = visit_of(request)
        if visit.who is None:
            return to_login(request)
        return await handler(visit)

    return Route(path, endpoint, methods=["GET"])


def action(path: str, handler: Handler) -> Route:
    """Make what operators may do with a form, that carries their token."""

    async def endpoint(request: Request) -> Response:
        visit = visit_of(request)
        if visit.who is None:
            return to_login(request)
        if not visit.who.operates:
            return visit.problem(403, "Only operators may change something; you may look.")
        return await _checked(visit, handler)

    return Route(path, endpoint, methods=["POST"])


def own_action(path: str, handler: Handler) -> Route:
    """Make what everybody who is in may do for himself."""

    async def endpoint(request: Request) -> Response:
        visit = visit_of(request)
        return await _checked(visit, handler) if visit.who is not None else to_login(request)

    return Route(path, endpoint, methods=["POST"])


async def _checked(visit: Visit, handler: Handler) -> Response:
    form = await read_form(visit.request)
    if form is None:
        return visit.problem(413, "That is no form of this page.")
    assert visit.who is not None
    if not hmac.compare_digest(form.get(TOKEN, "").encode(), visit.who.token.encode()):
        return visit.problem(403, "This form is too old, or not ours. Load the page again.")
    visit.form = form
    return await handler(visit)


def visit_of(request: Request) -> Visit:
    """Return the visit that a request is."""
    house: House = request.app.state.house
    return Visit(request, house, house.people.of(request))


def to_login(request: Request) -> RedirectResponse:
    """Send somebody to the login, and back here afterwards."""
    here = request.url.path
    if request.method != "GET" or here == "/":
        return RedirectResponse("/login", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/login?to={quote(here + query)}", 303)


async def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None when it is too large, too slow, or none."""
    data = b""
    try:
        async with asyncio.timeout(_FORM_WITHIN):
            async for chunk in request.stream():
                data += chunk
                if len(data) > _MOST_BYTES:
                    return None
        return dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=50))
    except (TimeoutError, ClientDisconnect, ValueError):
        return None
