"""Who asks: a user with a session, or one whom a trusted proxy names; and what such a user may do."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

from starlette.requests import Request

from postmill.config.observing import USER_NAME, WebSettings, WebUser
from postmill.web.guard import Client
from postmill.web.sessions import Sessions

COOKIE = "__Host-postmill"
"""Browsers take a cookie of such a name only with Secure, for the whole host, and from no other one."""
REFRESHED = "x-postmill-refresh"
"""The header of requests that a page makes by itself: they keep no session alive."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user who is in."""

    name: str
    role: str
    token: str
    """Goes with every form of this user, so that no other site can send one."""
    mark: str = ""
    """Of the session; empty where a proxy vouches."""

    @property
    def operates(self) -> bool:
        """Whether this user may change something."""
        return self.role == "operator"


class People:
    """Knows all users."""

    def __init__(self, settings: WebSettings, sessions: Sessions) -> None:
        self.sessions = sessions
        self._settings = settings
        self._users = {user.name: user for user in settings.user}
        self._secret = secrets.token_bytes(32)

    def find(self, name: str) -> WebUser | None:
        """Return a user by name."""
        return self._users.get(name)

    def of(self, request: Request) -> Person | None:
        """Return who sends a request, None when nobody is in."""
        client: Client = request.state.client
        header = self._settings.user_header
        names = [name for name in request.headers.getlist(header) if name] if header else []
        if client.proxied and names:
            return self._named_by_proxy(names[0]) if len(names) == 1 else None
        mark = request.cookies.get(COOKIE, "")
        session = self.sessions.find(mark, REFRESHED not in request.headers) if mark else None
        user = self.find(session.user) if session is not None else None
        return Person(user.name, user.role, self._token(mark), mark) if user is not None else None

    def _named_by_proxy(self, name: str) -> Person | None:
        user = self.find(name)
        role = user.role if user is not None else self._settings.proxy_role
        if role == "none" or not re.fullmatch(USER_NAME, name):
            return None
        return Person(name, role, self._token(f"proxy {name}"))

    def _token(self, of: str) -> str:
        return hmac.digest(self._secret, of.encode("utf-8", "surrogatepass"), "sha256").hex()
