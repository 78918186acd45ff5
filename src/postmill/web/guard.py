"""What stands before every page: which requests come in at all, and the headers that every response carries.

No inline code, no foreign content, no frames: the Content-Security-Policy says so. Requests for a host name
that is not ours are refused, because a foreign page could otherwise reach this server by having its own name
resolve to it; requests that change something must come from our own pages.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
NO_STORE = (b"cache-control", b"no-store")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_READING = ("GET", "HEAD")
_METHODS = (*_READING, "POST")
UNIX = "unix"
"""In the place of an address: whoever connects to a unix socket."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end, as far as a connection says it."""

    address: str
    """The browser's, as a trusted proxy tells it; else that of the connection."""
    proxied: bool
    """A trusted proxy is between us."""
    encrypted: bool


def client_of(scope: Scope, trusted: Collection[str]) -> Client:
    """Return who sends a request; only a trusted proxy is believed what it says of others."""
    peer = scope["client"][0] if scope.get("client") else UNIX
    encrypted = scope["scheme"] == "https"
    if peer not in trusted:
        return Client(peer, False, encrypted)
    headers = Headers(scope=scope)
    # the last one was added by the proxy itself; those before are the client's own words
    address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return Client(address or peer, True, encrypted or scheme == "https")


class Guard:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], trusted: Collection[str]) -> None:
        """Let in requests for these ``hosts``; ``trusted`` are the proxies."""
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = client_of(scope, self._trusted)
        scope.setdefault("state", {})["client"] = client

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": guarded(message["headers"], client.encrypted)}
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if _without_port(host) not in self._hosts:
            return PlainTextResponse("This server has another name; web.hosts says which it has.\n", 421)
        if scope["method"] not in _METHODS:
            return PlainTextResponse("There is no such method here.\n", 405, {"allow": ", ".join(_METHODS)})
        if scope["method"] not in _READING and not _is_from_here(headers, host):
            return PlainTextResponse("This request comes from another site.\n", 403)
        return None


def guarded(headers: Collection[tuple[bytes, bytes]], encrypted: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with those that every one has."""
    names = {name.lower() for name, _ in headers}
    added = [*HEADERS, *((STRICT_TRANSPORT,) if encrypted else ()), NO_STORE]
    return [*headers, *((name, value) for name, value in added if name not in names)]


def _without_port(host: str) -> str:
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]


def _is_from_here(headers: Headers, host: str) -> bool:
    """Tell whether a browser says that one of our own pages sends this, or whether it is no browser.

    Which site has sent a form is said by Sec-Fetch-Site and by Origin; a page cannot change them.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == host
