"""The dashboard as an ASGI application: all pages, behind the guard."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from postmill.config import Loaded
from postmill.web.archive import Archive
from postmill.web.daemon import Daemon
from postmill.web.examination import Examination
from postmill.web.guard import LOOPBACK_NAMES, Guard
from postmill.web.pages import changes, configuration, findings, login, messages, milters, overview, samples
from postmill.web.people import People
from postmill.web.rendering import templates
from postmill.web.sessions import Sessions
from postmill.web.throttle import Throttle
from postmill.web.visit import House, visit_of

log = logging.getLogger("postmill.web")

_FOREVER = "public, max-age=31536000, immutable"
_PAGES = (overview, messages, milters, configuration, findings, changes, samples, login)


def build_app(loaded: Loaded, now: Callable[[], float] = time.time) -> ASGIApp:
    """Return the application for a configuration; ``now`` gives seconds of the wall clock."""
    settings = loaded.settings
    web = settings.web
    archive = Archive(settings.history.url, now) if settings.history.url else None
    house = House(
        loaded=loaded,
        people=People(web, Sessions(web.session_timeout, web.idle_timeout, now)),
        throttle=Throttle(now),
        daemon=Daemon(settings.control.socket, now),
        archive=archive,
        templates=templates(),
        examination=Examination(loaded.file, now),
        now=now,
    )
    routes: list[BaseRoute] = [route for page in _PAGES for route in page.ROUTES]
    routes.append(Mount("/static", _Static(directory=str(files("postmill.web") / "static"))))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_page, Exception: _defect})
    app.router.redirect_slashes = False
    app.state.house = house
    own = [endpoint.host for endpoint in web.listen if endpoint.kind != "unix"]
    hosts = [*LOOPBACK_NAMES, *web.hosts, *(f"[{host}]" if ":" in host else host for host in own)]
    return Guard(app, hosts, web.trusted_proxies)


class _Static(StaticFiles):
    """Files that are ours; their addresses change with them."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """See StaticFiles."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = _FOREVER
        return response


async def _no_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such page.", 405: "That cannot be done with this page."}
    response = visit_of(request).problem(error.status_code, words.get(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    return response


async def _defect(request: Request, error: Exception) -> Response:
    log.error("defect in Postmill; a page could not be shown", exc_info=error)
    return visit_of(request).problem(500, "Defect in Postmill, see its log.")
