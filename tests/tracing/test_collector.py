"""What a collector is sent beside the spans, and what becomes of its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from postmill.errors import UnavailableError
from postmill.history import Entry
from postmill.tracing.collector import Collector
from postmill.tracing.spans import request_of, trace_id
from tests.tracing.receiver import Receiver, receiving
from tests.tracing.test_following import message


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def entry(queue_id: str = "A", host: str = "mx1", **more: object) -> Entry:
    return Entry(7, host, message(queue_id, **more))  # type: ignore[arg-type]


def test_the_variables_of_opentelemetry_hold(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-other=no")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Bearer%20a%3Db, x-tenant = mail")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with closing(Collector(receiver.url)) as collector:
        assert collector.take([entry()], addresses=False)
    assert receiver.headers["authorization"] == "Bearer a=b"
    assert receiver.headers["x-tenant"] == "mail"
    assert receiver.headers["content-encoding"] == "gzip"
    assert receiver.headers["content-type"] == "application/x-protobuf"
    assert "x-other" not in receiver.headers
    assert len(receiver.roots()) == 1


def test_headers_that_cannot_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=b,nonsense")
    with pytest.raises(UnavailableError, match='expected "name=value", found "nonsense"'):
        Collector("http://127.0.0.1:9")


def test_a_certificate_that_is_not_there_is_trouble(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", f"{tmp_path}/gone.pem")
    with closing(Collector(receiver.url.replace("http", "https"))) as collector:
        assert not collector.take([entry()], addresses=False)
        assert "gone.pem" in collector.trouble


def test_what_a_collector_left_out_is_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.rejects = 2
    with closing(Collector(receiver.url)) as collector:
        assert collector.take([entry()], addresses=False)
    assert "the collector refuses 2 spans: too old" in caplog.text


def test_who_is_sent_elsewhere_is_told(receiver: Receiver) -> None:
    receiver.status = 301
    with closing(Collector(receiver.url)) as collector:
        assert not collector.take([entry()], addresses=False)
        assert collector.trouble.endswith("takes no traces: it answers 301")
    assert receiver.requests == 1


def test_spans_of_several_machines_are_kept_apart(receiver: Receiver) -> None:
    with closing(Collector(receiver.url)) as collector:
        assert collector.take([entry("A", "mx1"), entry("B", "mx2"), entry("C", "mx1")], addresses=False)
    hosts = {root.attributes["postmill.queue_id"]: root.resource["host.name"] for root in receiver.roots()}
    assert hosts == {"A": "mx1", "B": "mx2", "C": "mx1"}
    assert receiver.of(trace_id("mx2", "B").hex()).keys() >= {"message", "spam mail"}


@given(st.text(max_size=300), st.text(max_size=20_000))
def test_whatever_mail_says_is_a_request_that_can_be_read(queue_id: str, reply: str) -> None:
    broken = queue_id + "\udcff"
    data = request_of([entry(broken, verdict="reject", reply=reply + broken)], addresses=True)
    (spans,) = ExportTraceServiceRequest.FromString(data).resource_spans[0].scope_spans
    attributes = {one.key: one.value.string_value for one in spans.spans[0].attributes}
    assert attributes["postmill.queue_id"] == broken.encode("utf-8", "replace").decode()
    assert len({span.span_id for span in spans.spans}) == 3
    assert {span.trace_id for span in spans.spans} == {trace_id("mx1", broken)}
