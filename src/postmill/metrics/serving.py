"""Metrics over HTTP: ``GET /metrics`` asks the daemon how it stands, each time anew.

Whoever scrapes gets 503 and the reason where the daemon cannot be reached or a worker did not answer: no
numbers are better than smaller ones.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from postmill.errors import PostmillError
from postmill.metrics.exposition import render
from postmill.net.listener import bind, endpoint_of
from postmill.wire.endpoint import Endpoint

log = logging.getLogger("postmill.metrics")

PATH = "/metrics"
_PLAIN = "text/plain; charset=utf-8"
_PATIENCE = 10.0
"""Seconds that a client may take for its request, and to read the answer."""


class Server(ThreadingHTTPServer):
    """Answers at an address over TCP until the process ends."""

    daemon_threads = True

    def __init__(self, endpoint: Endpoint, look: Callable[[], Mapping[str, Any]]) -> None:
        """Listen; ``look`` gives the status of the daemon. Raises UnavailableError when it cannot listen."""
        super().__init__((endpoint.host, endpoint.port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bind(endpoint, 0, "")
        log.info("metrics: %s", self.url)
        self._look = look
        self._trouble = ""

    @property
    def url(self) -> str:
        """Where the metrics are."""
        at = endpoint_of(self.socket)
        host = f"[{at.host}]" if at.kind == "inet6" else at.host
        return f"http://{host}:{at.port}{PATH}"

    def scrape(self, accept: str) -> tuple[HTTPStatus, bytes, str]:
        """Return status, body and media type of an answer; a trouble is logged when it comes, and its end."""
        try:
            body, media_type = render(self._look(), accept)
        except PostmillError as error:
            if str(error) != self._trouble:
                log.warning("no metrics: %s", error)
            self._trouble = str(error)
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode(), _PLAIN
        if self._trouble:
            log.info("metrics again")
            self._trouble = ""
        return HTTPStatus.OK, body, media_type

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a client go that went away or was too slow; anything else is a defect."""
        if isinstance(sys.exc_info()[1], OSError):
            log.info("%s: connection ended early", client_address, exc_info=True)
        else:
            log.exception("defect in Postmill; no metrics this time")


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server_version = "Postmill"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == PATH:
            answer = cast("Server", self.server).scrape(self.headers.get("Accept", ""))
        else:
            answer = HTTPStatus.NOT_FOUND, f"metrics are at {PATH}\n".encode(), _PLAIN
        status, body, media_type = answer
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)
