"""A collector of OpenTelemetry: takes traces over OTLP/HTTP, as protobuf.

Environment variables that all exporters of OpenTelemetry know hold here, too: OTEL_EXPORTER_OTLP_HEADERS,
…_CERTIFICATE, …_CLIENT_CERTIFICATE, …_CLIENT_KEY and …_COMPRESSION, and before them the same with TRACES_ in
front of that name (OpenTelemetry, "OTLP Exporter Configuration").
"""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from postmill.errors import UnavailableError
from postmill.history import Entry
from postmill.tracing.spans import request_of

log = logging.getLogger("postmill.tracing")

_WITHIN = 10.0
"""Seconds in which a collector has to answer."""
_REFUSED = (requests.codes.bad_request, requests.codes.request_entity_too_large)
"""A collector that answers so will not take the same request later, either (OTLP, "Failures")."""


class Collector:
    """Takes traces."""

    def __init__(self, endpoint: str) -> None:
        """Send to a URL; without a path, to ``/v1/traces`` there.

        Raises UnavailableError for headers in the environment that cannot be read.
        """
        if urlsplit(endpoint).path in ("", "/"):
            endpoint = endpoint.rstrip("/") + "/v1/traces"
        self._endpoint = endpoint
        self.trouble = ""
        """Why it took nothing the last time."""
        self._session = requests.Session()
        self._session.headers["Content-Type"] = "application/x-protobuf"
        self._session.headers.update(_headers(_variable("HEADERS")))
        self._compresses = _variable("COMPRESSION") == "gzip"
        if self._compresses:
            self._session.headers["Content-Encoding"] = "gzip"
        self._verify = _variable("CERTIFICATE") or True
        certificate, key = _variable("CLIENT_CERTIFICATE"), _variable("CLIENT_KEY")
        self._certificate = (certificate, key) if certificate and key else certificate or None

    def take(self, entries: Sequence[Entry], addresses: bool) -> bool:
        """Send messages; False when they are to be sent again later. What it never takes is given up."""
        answered = self._post(request_of(entries, addresses))
        if answered not in _REFUSED:
            return answered == requests.codes.ok
        if len(entries) == 1:
            log.error("message %s is given up: the collector refuses it", entries[0].record.queue_id)
            return True
        return all(self.take([entry], addresses) for entry in entries)

    def _post(self, data: bytes) -> int:
        """Return the status of the answer, 0 when there is none."""
        try:
            answer = self._session.post(
                self._endpoint,
                gzip.compress(data) if self._compresses else data,
                timeout=_WITHIN,
                allow_redirects=False,  # it would become a GET
                verify=self._verify,
                cert=self._certificate,
            )
        except (requests.RequestException, OSError) as error:  # OSError: no such certificate
            self.trouble = f"{self._endpoint} takes no traces: it cannot be reached ({error})"
            return 0
        self.trouble = f"{self._endpoint} takes no traces: it answers {answer.status_code}"
        if answer.status_code == requests.codes.ok and answer.content:
            _say_partial(answer.content)
        return answer.status_code

    def close(self) -> None:
        """Close connections."""
        self._session.close()


def _say_partial(content: bytes) -> None:
    """Log what a collector says that it did not take of a request that it took."""
    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError:
        return
    if partial.rejected_spans:
        log.error("the collector refuses %d spans: %s", partial.rejected_spans, partial.error_message)


def _variable(name: str) -> str:
    prefix = "OTEL_EXPORTER_OTLP"
    return os.environ.get(f"{prefix}_TRACES_{name}") or os.environ.get(f"{prefix}_{name}") or ""


def _headers(text: str) -> dict[str, str]:
    """Return headers that are written as ``name=value,name=value``, values with %-escapes."""
    headers: dict[str, str] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UnavailableError(f'OTEL_EXPORTER_OTLP_HEADERS: expected "name=value", found "{pair}"')
        headers[unquote(name.strip())] = unquote(value.strip())
    return headers
