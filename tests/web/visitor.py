"""A browser without eyes: sends what it is told, keeps cookies, finds the token of a form."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode, urlsplit

from tests.web.staging import PASSWORD

EVERY_RESPONSE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = (
    "default-src 'self'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
)


@dataclass(slots=True)
class Page:
    """One response."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def words(self) -> str:
        """What a reader sees of it, on one line."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.text)
        assert found, self.text
        return found[1]


class Visitor:
    """Checks the headers of every response that it gets."""

    def __init__(self, url: str, connect: str = "", **headers: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self.connect = connect
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Page:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        if self.connect:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(self.connect)
        sent = {
            "Host": self.host,
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        page = Page(response.status, found, response.headers.get_all("set-cookie") or [], data)
        check_headers(page)
        for cookie in page.cookies:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return page

    def get(self, path: str, **headers: str) -> Page:
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Page:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form).encode(), **kind, **headers)

    def log_in(self, name: str, password: str = PASSWORD, to: str = "", **headers: str) -> Page:
        token = self.get("/login").token()
        form = {"token": token, "name": name, "password": password, "to": to}
        return self.post("/login", form, **headers)


def check_headers(page: Page) -> None:
    for name, value in EVERY_RESPONSE.items():
        assert page.headers.get(name) == value, (name, page)
    policy = page.headers["content-security-policy"]
    assert all(part in policy for part in POLICY)
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["cache-control"]
    for cookie in page.cookies:
        assert "; HttpOnly" in cookie
        assert "; Secure" in cookie
        assert "; SameSite=strict" in cookie
        assert cookie.startswith("__Host-")
