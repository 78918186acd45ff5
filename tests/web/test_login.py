"""Coming in: by password or through a proxy; and all the ways in which one must not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from postmill.web.throttle import OF_A_USER
from tests.web.staging import PASSWORD, Stage, stage
from tests.web.visitor import Visitor

ALL_PAGES = ("/", "/messages", "/messages/1", "/milters", "/milters/spam", "/milters/spam/mode?to=off",
             "/configuration", "/configuration/reload", "/findings", "/changes")  # fmt: skip
ALL_ACTIONS = ("/milters/spam/mode", "/configuration/reload", "/findings", "/logout")


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    with stage(
        trusted_proxies=["127.0.0.9"],
        user_header="X-Remote-User",
        proxy_role="viewer",
        hosts=["mill.example.org"],
    ) as made:
        yield made


@pytest.fixture(scope="module")
def anna(one: Stage) -> Visitor:
    return logged_in(one)


@pytest.fixture
def visitor(one: Stage) -> Visitor:
    return Visitor(one.url)


def logged_in(one: Stage, name: str = "anna") -> Visitor:
    visitor = Visitor(one.url)
    assert visitor.log_in(name).status == 303
    return visitor


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_page_wants_a_login_and_leads_back(visitor: Visitor, path: str) -> None:
    page = visitor.get(path)
    assert page.status == 303
    assert page.headers["location"].startswith("/login")
    if path == "/milters/spam/mode?to=off":
        assert page.headers["location"] == "/login?to=/milters/spam/mode%3Fto%3Doff"


@pytest.mark.parametrize("path", ALL_ACTIONS)
def test_no_action_without_login(visitor: Visitor, path: str) -> None:
    assert visitor.post(path, {"token": "x"}).headers["location"] == "/login"


def test_in_and_out(one: Stage, visitor: Visitor) -> None:
    page = visitor.log_in("anna", to="/milters?period=day")
    assert (page.status, page.headers["location"]) == (303, "/milters?period=day")
    mark = visitor.cookies["__Host-postmill"]
    home = visitor.get("/")
    assert home.status == 200
    assert "anna operator" in home.words
    assert visitor.get("/login").status == 303
    assert visitor.post("/logout", {"token": home.token()}).headers["location"] == "/login"
    assert "__Host-postmill" not in visitor.cookies
    visitor.cookies["__Host-postmill"] = mark
    assert visitor.get("/").status == 303, "it is over on the server's side, too"
    assert "anna came in from 127.0.0.1 as operator" in one.daemon.log


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("anna", PASSWORD * 50), ("\x1b[2J\n", "x")],
)
def test_wrong_is_wrong_and_does_not_say_what(visitor: Visitor, name: str, password: str) -> None:
    page = visitor.log_in(name, password)
    assert page.status == 403
    assert "Name or password is wrong." in page.words
    assert "__Host-postmill" not in visitor.cookies


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "/\t/evil.example", "\\\\evil", "javascript:alert(1)",
     "/a\r\nSet-Cookie: x=y", "login", "/%0d%0aX: y\n"],
)  # fmt: skip
def test_a_login_leads_nowhere_else(visitor: Visitor, to: str) -> None:
    assert visitor.log_in("anna", to=to).headers["location"] == "/"


def test_a_login_makes_a_new_session(one: Stage) -> None:
    visitor = Visitor(one.url)
    visitor.cookies["__Host-postmill"] = "chosen-by-somebody-else"
    visitor.log_in("anna")
    first = visitor.cookies["__Host-postmill"]
    assert first != "chosen-by-somebody-else"
    visitor.cookies["__Host-postmill"] = "chosen-by-somebody-else"
    assert visitor.get("/").status == 303
    visitor.cookies["__Host-postmill"] = first
    token = Visitor(one.url).get("/login").token()
    visitor.cookies["__Host-postmill-login"] = token
    page = visitor.post("/login", {"token": token, "name": "bert", "password": PASSWORD})
    assert page.status == 303
    assert visitor.cookies["__Host-postmill"] != first
    visitor.cookies["__Host-postmill"] = first
    assert visitor.get("/").status == 303, "the old one has ended"


def test_a_login_must_come_from_our_form(one: Stage) -> None:
    visitor = Visitor(one.url)
    right = {"name": "anna", "password": PASSWORD}
    assert visitor.post("/login", {**right, "token": ""}).status == 403
    assert visitor.post("/login", {**right, "token": "made-up"}).status == 403
    assert visitor.post("/login", right).status == 403
    assert visitor.log_in("anna", Origin="https://evil.example").status == 403
    assert visitor.log_in("anna", Origin="null").status == 403
    assert visitor.log_in("anna", Sec_Fetch_Site="cross-site").status == 403
    assert visitor.log_in("anna", Sec_Fetch_Site="same-site").status == 403
    assert "__Host-postmill" not in visitor.cookies
    assert visitor.log_in("anna", Origin=one.url, Sec_Fetch_Site="same-origin").status == 303


@pytest.mark.parametrize("path", ALL_ACTIONS)
def test_an_action_must_come_from_our_form(one: Stage, path: str) -> None:
    visitor = logged_in(one)
    token = visitor.get("/").token()
    others = logged_in(one).get("/").token()
    form = {"mode": "off"}
    assert token != others
    assert visitor.post(path, form).status == 403
    assert visitor.post(path, {**form, "token": others}).status == 403
    assert visitor.post(path, {**form, "token": token}, Origin="https://evil.example").status == 403
    assert visitor.post(path, {**form, "token": token}, Sec_Fetch_Site="cross-site").status == 403
    assert visitor.get(f"{path}?token={token}&mode=off").status in (200, 404, 405)
    assert one.daemon.milter("spam")["mode"] == "enforce"
    assert visitor.get("/").status == 200


def test_viewers_change_nothing(one: Stage) -> None:
    visitor = logged_in(one, "bert")
    token = visitor.get("/").token()
    for path in ALL_ACTIONS[:3]:
        page = visitor.post(path, {"token": token, "mode": "off"})
        assert page.status == 403
        assert "Only operators" in page.words
    for path in ("/milters/spam/mode?to=off", "/configuration/reload"):
        assert visitor.get(path).status == 403
    assert "Disable" not in visitor.get("/milters/spam").words
    assert one.daemon.milter("spam")["mode"] == "enforce"


def test_who_guesses_has_to_wait(one: Stage) -> None:
    visitor = Visitor(one.url)
    for _ in range(OF_A_USER):
        assert visitor.log_in("carla", "guess").status == 403
    page = visitor.log_in("carla", "guess")
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0
    assert "Too many attempts" in page.words
    assert one.daemon.log.count("login of carla from 127.0.0.1 failed") == OF_A_USER
    assert visitor.log_in("anna").status == 303, "another user may come in"


def test_only_a_trusted_proxy_is_believed(one: Stage) -> None:
    visitor = Visitor(one.url, X_Remote_User="anna", X_Forwarded_For="203.0.113.5", X_Forwarded_Proto="https")
    page = visitor.get("/")
    assert page.status == 303
    assert "strict-transport-security" not in page.headers
    visitor.log_in("nobody-2", "x")
    assert "login of nobody-2 from 127.0.0.1 failed" in one.daemon.log


def test_headers_of_a_trusted_proxy(one: Stage) -> None:
    def through_proxy(request: str) -> str:
        parts = urlsplit(one.url)
        assert parts.port
        with socket.socket() as sock:
            sock.bind(("127.0.0.9", 0))
            sock.connect(("127.0.0.1", parts.port))
            sock.sendall(
                f"GET / HTTP/1.1\r\nHost: mill.example.org\r\nConnection: close\r\n{request}\r\n".encode()
            )
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()

    operator = through_proxy("X-Remote-User: anna\r\nX-Forwarded-Proto: https\r\n")
    assert operator.startswith("HTTP/1.1 200 ")
    assert "strict-transport-security: max-age=" in operator
    assert "anna <small>operator" in operator
    assert "Log out" not in operator, "that is the proxy's"
    assert "zoe <small>viewer" in through_proxy("X-Remote-User: zoe\r\n")
    assert through_proxy("X-Forwarded-User: anna\r\n").startswith("HTTP/1.1 303 ")
    assert through_proxy("X-Remote-User: \r\n").startswith("HTTP/1.1 303 ")
    twice = through_proxy("X-Remote-User: anna\r\nX-Remote-User: zoe\r\n")
    assert twice.startswith("HTTP/1.1 303 "), "one of them is the client's own word"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.", "[::1", "mill.example.org@evil"]
)
def test_other_names_are_refused(one: Stage, host: str) -> None:
    page = Visitor(one.url).get("/login", Host=host or "-")
    assert page.status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:8", "mill.example.org"])
def test_our_names_are_not(one: Stage, host: str) -> None:
    assert Visitor(one.url).get("/login", Host=host).status == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
     "/static/....//app.py", "/static/style.css%00.html", "/static/", "//evil.example/login", "/messages/..%2f..%2fx",
     "/../../etc/passwd", "/milters/%2e%2e", "/messages/99999999999999999999999", "/messages/-1", "/messages/1%00",
     "/milters/spam%0a", "/nothing", "/login/", "/%ff%fe"],
)  # fmt: skip
def test_tricks_with_paths_lead_nowhere(anna: Visitor, path: str) -> None:
    page = anna.get(path)
    assert page.status == 404
    assert b"root:" not in page.data
    assert b"import" not in page.data


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "CONNECT", "FOO"])
def test_other_methods(anna: Visitor, method: str) -> None:
    assert anna.ask(method, "/milters").status == 405


def test_forms_are_small(one: Stage) -> None:
    visitor = logged_in(one)
    assert visitor.post("/logout", {"token": "x" * 20_000}).status == 413
    assert visitor.ask("POST", "/logout", b"&".join(b"a%d=1" % number for number in range(60))).status == 413
    assert visitor.ask("POST", "/login", b"\xff\xfe=%ff").status in (403, 413)


@pytest.mark.parametrize(
    "text",
    [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_http_gets_the_headers_too(one: Stage, text: bytes) -> None:
    parts = urlsplit(one.url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), 10) as sock:
        sock.sendall(text)
        answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 4")
    for header in (
        "x-frame-options: DENY",
        "content-security-policy: default-src 'self'",
        "x-content-type-options: nosniff",
    ):
        assert header in answer


def test_the_password_stands_nowhere(one: Stage) -> None:
    assert PASSWORD not in one.daemon.log
    text = logged_in(one).get("/configuration?all=1").text
    assert "$scrypt$" not in text
    assert "•••" in text
