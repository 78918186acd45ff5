"""A collector that takes OTLP over HTTP and keeps the spans, or refuses them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass
class Received:
    """One span, as it came."""

    name: str
    trace: str
    span: str
    parent: str
    kind: int
    start: float
    end: float
    error: str | None
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: dict[str, float]


@dataclass
class Receiver:
    """What a collector got, and what it answers; ``refuses`` is looked for in the bytes of a request."""

    url: str = ""
    status: int = 200
    refuses: bytes = b"\xff\xff never \xff"
    spans: list[Received] = field(default_factory=list)
    rejects: int = 0
    """How many spans of a request it says it left out."""
    requests: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the last request."""

    def roots(self) -> list[Received]:
        return [span for span in self.spans if not span.parent]

    def of(self, trace: str) -> dict[str, Received]:
        return {span.name: span for span in self.spans if span.trace == trace}


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return (
        [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    )


def _decode(data: bytes) -> Iterator[Received]:
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope in resource.scope_spans:
            assert scope.scope.name == "postmill"
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=span.kind,
                    start=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    error=span.status.message if span.status.code == 2 else None,
                    attributes=_values(span.attributes),
                    resource=_values(resource.resource.attributes),
                    events={event.name: event.time_unix_nano / 1e9 for event in span.events},
                )


def _answer(rejects: int) -> bytes:
    partial = ExportTracePartialSuccess(rejected_spans=rejects, error_message="too old") if rejects else None
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a collector at a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            receiver.requests += 1
            receiver.headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.status if self.path == "/v1/traces" else 404
            if receiver.refuses in data:
                status = 400
            if status == 200:
                receiver.spans.extend(_decode(data))
            self.send_response(status)
            answer = _answer(receiver.rejects)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
