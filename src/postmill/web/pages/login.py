"""Coming in and going out."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
from math import ceil

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from postmill.record import one_line
from postmill.web.passwords import LONGEST, fits
from postmill.web.people import COOKIE
from postmill.web.visit import TOKEN, Visit, own_action, read_form, visit_of

log = logging.getLogger("postmill.web")

LOGIN_COOKIE = "__Host-postmill-login"
"""Holds what the form of a login must hold, too: a foreign page knows neither."""
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_AT_ONCE = asyncio.Semaphore(2)
"""Passwords that are looked at: each takes 32 MB."""


async def show(request: Request) -> Response:
    """Ask for name and password."""
    visit = visit_of(request)
    if visit.who is not None:
        return RedirectResponse("/", 303)
    return _form(visit, 200, to=visit.asked("to"))


def _form(visit: Visit, status: int, name: str = "", to: str = "", problem: str = "") -> Response:
    token = visit.request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(24)
    possible = any(user.password for user in visit.house.loaded.settings.web.user)
    response = visit.page(
        "login.html", status, name=name, to=to, problem=problem, login_token=token, possible=possible
    )
    _set_cookie(response, LOGIN_COOKIE, token)
    return response


def _set_cookie(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")


async def enter(request: Request) -> Response:
    """Look at name and password, and begin a session: always a new one."""
    visit = visit_of(request)
    form = await read_form(request)
    if form is None:
        return visit.problem(413, "That is no form of this page.")
    cookie = request.cookies.get(LOGIN_COOKIE, "")
    name, password, to = form.get("name", "")[:64], form.get("password", ""), form.get("to", "")
    if not cookie or not hmac.compare_digest(cookie.encode(), form.get(TOKEN, "").encode()):
        return _form(visit, 403, name, to, "This form is too old. Please try again; cookies must be allowed.")
    address = request.state.client.address
    throttle = visit.house.throttle
    if wait := throttle.wait(address, name):
        response = _form(visit, 429, name, to, f"Too many attempts. Wait {ceil(wait)} s.")
        response.headers["retry-after"] = str(ceil(wait))
        return response
    throttle.failed(address, name)  # before the password is looked at: attempts at once count, too
    user = visit.house.people.find(name)
    async with _AT_ONCE:
        right = await asyncio.to_thread(fits, password[: LONGEST + 1], user.password if user else "")
    if not right or user is None:
        log.warning("dashboard: login of %s from %s failed", one_line(name) or "nobody", one_line(address))
        return _form(visit, 403, name, to, "Name or password is wrong.")
    throttle.succeeded(address, name)
    log.info("dashboard: %s came in from %s as %s", one_line(name), one_line(address), user.role)
    sessions = visit.house.people.sessions
    sessions.end(request.cookies.get(COOKIE, ""))
    response = RedirectResponse(to if _LOCAL.fullmatch(to) else "/", 303)
    _set_cookie(response, COOKIE, sessions.begin(name))
    return response


async def leave(visit: Visit) -> Response:
    """End the session, here and in the browser."""
    assert visit.who is not None
    visit.house.people.sessions.end(visit.who.mark)
    log.info("dashboard: %s went", visit.who.name)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


ROUTES = (
    Route("/login", show, methods=["GET"]),
    Route("/login", enter, methods=["POST"]),
    own_action("/logout", leave),
)
