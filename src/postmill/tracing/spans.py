"""Messages of the history as spans of OpenTelemetry: one for the message, one for each child and stage.

Their ids are made of what the message is, so the same message sent twice is the same trace, and its trace is
found by its queue id.

What a request to a collector is made of are messages of protobuf, built by OpenTelemetry's own classes. They
are put together as bytes, because most of a span is the same for most mail (``_what`` remembers it), and
because protobuf has it that serialized messages one after the other are one message with the fields of both.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from postmill import __version__
from postmill.history import Entry, cleaner
from postmill.record import Answer, MessageRecord
from postmill.tracing.choosing import REFUSING
from postmill.tracing.timing import Part, begin_of, parts_of

Value = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, Value]
_LOST = "lost"
_RESOURCE_SPANS = 1
"""The field of a request that has the spans of one machine."""
_SCOPE_SPANS = 2
"""The field of these that has the spans of one library."""
_SPANS = 2
"""The field of these that has one span."""
_WHERE = struct.Struct("<2s16s 2s8s 2s8s cQ cQ")
"""Trace id, own id, the parent's id, begin and end, each behind its key."""
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _END = b"\x0a\x10", b"\x12\x08", b"\x22\x08", b"\x39", b"\x41"
_SCOPE = ScopeSpans(scope=InstrumentationScope(name="postmill", version=__version__)).SerializeToString()


def trace_id(host: str, queue_id: str) -> bytes:
    """Return the id of the trace of a message that a machine's mail server gave this queue id."""
    return _id(16, host, queue_id)


def request_of(entries: Sequence[Entry], addresses: bool) -> bytes:
    """Return an ``ExportTraceServiceRequest`` with the spans of messages, each message's own first.

    Mail addresses are in them only with ``addresses``.
    """
    machines: dict[str, list[bytes]] = {}
    for entry in entries:
        machines.setdefault(entry.host, []).extend(_spans(entry, addresses))
    return b"".join(
        _field(_RESOURCE_SPANS, _machine(host) + _field(_SCOPE_SPANS, _SCOPE + b"".join(spans)))
        for host, spans in machines.items()
    )


def _field(number: int, value: bytes) -> bytes:
    """Return a field of protobuf that has a message or bytes in it."""
    return _head(number, len(value)) + value


def _head(number: int, length: int) -> bytes:
    """Return what stands before the bytes of a field: its key, and how many they are."""
    encoded = bytearray((number << 3 | 2,))
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def _spans(entry: Entry, addresses: bool) -> Iterator[bytes]:
    """Yield the spans of a message, each as a field."""
    record = entry.record
    clean = str if addresses else cleaner(record, "omit")
    trace = trace_id(entry.host, record.queue_id or f"{record.session} {entry.row}")
    whole = _id(8, entry.host, str(entry.row))
    parts = parts_of(record)
    own = Span(
        trace_id=trace,
        span_id=whole,
        name="connection" if record.sender is None else "message",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=_ns(min([begin_of(record), *[part.start for part in parts[:1]]])),
        end_time_unix_nano=_ns(max([record.time, *[part.start + part.seconds for part in parts]])),
        attributes=_pairs(_of_message(record, addresses, clean)),
        events=_events(record),
        status=_status(record.verdict, clean(record.reply)),
    )
    yield _field(_SPANS, own.SerializeToString())
    number = int.from_bytes(whole, "big")
    for part in parts:
        number = number + 1 & 0xFFFF_FFFF_FFFF_FFFF
        head, what = _of_part(part, record.children[part.child].evaluated, clean)
        times = _START, _ns(part.start), _END, _ns(part.start + part.seconds)
        ids = _TRACE_ID, trace, _SPAN_ID, number.to_bytes(8, "big"), _PARENT_ID, whole
        yield head + _WHERE.pack(*ids, *times) + what


def _of_part(part: Part, evaluated: bool, clean: Callable[[str], str]) -> tuple[bytes, bytes]:
    """Return the head of a part's span, and what follows after where and when it was."""
    last = _last(part.answers)
    reply = clean(last.text) if last.text else ""
    because = clean(last.because) if last.because else ""
    return _what(part.child, part.stage, last.verdict, len(part.answers), evaluated, reply, because)


@lru_cache(maxsize=4096)
def _what(
    child: str, stage: str, verdict: str, answers: int, evaluated: bool, reply: str, because: str
) -> tuple[bytes, bytes]:
    attributes: Attributes = {
        "postmill.milter": child,
        "postmill.stage": stage,
        "postmill.verdict": verdict,
        "postmill.answers": answers,
        "postmill.evaluated": evaluated,
        "postmill.reply": reply,
        "postmill.because": because,
    }
    span = Span(
        name=f"{child} {stage}",
        kind=Span.SPAN_KIND_CLIENT,
        attributes=_pairs(attributes),
        status=_status(verdict, reply, evaluated),
    ).SerializeToString()
    return _head(_SPANS, _WHERE.size + len(span)), span


@lru_cache
def _machine(host: str) -> bytes:
    """Return where it was."""
    attributes = {"service.name": "postmill", "service.version": __version__, "host.name": host}
    return ResourceSpans(resource=Resource(attributes=_pairs(attributes))).SerializeToString()


def _of_message(record: MessageRecord, addresses: bool, clean: Callable[[str], str]) -> Attributes:
    left_out = {name: child.skipped for name, child in record.children.items()}
    attributes: dict[str, Value] = {
        "postmill.queue_id": record.queue_id,
        "postmill.message_id": record.message_id,
        "postmill.session": record.session,
        "postmill.verdict": record.verdict,
        "postmill.by": record.by,
        "postmill.stage": record.stage,
        "postmill.reply": clean(record.reply),
        "postmill.held": clean(record.held),
        "postmill.size": record.size,
        "postmill.ms": round(record.ms, 3),
        "postmill.recipient_count": len(record.recipients),
        "postmill.left_out": tuple(f"{name}: {one.name}" for name, one in left_out.items() if one),
        "client.address": record.client_address,
        "postmill.client_name": record.client_name,
    }
    if addresses:
        attributes["postmill.sender"] = record.sender or ""
        attributes["postmill.recipients"] = tuple(recipient.address for recipient in record.recipients)
    return attributes


def _pairs(attributes: Attributes) -> Iterator[KeyValue]:
    """Yield attributes, but for those that are empty or false."""
    for name, value in attributes.items():
        if value not in ("", ()) and value is not False:
            yield _pair(name, value)


@lru_cache(maxsize=4096, typed=True)
def _pair(name: str, value: Value) -> KeyValue:
    return KeyValue(key=name, value=_value(value))


def _value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=_text(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=map(_value, value)))


def _text(text: str) -> str:
    """Return a text that protobuf takes: bytes that are no UTF-8, which mail may have, become ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _events(record: MessageRecord) -> Iterator[Span.Event]:
    """Yield the two moments that are measured."""
    if record.sender is not None:
        yield Span.Event(name="MAIL", time_unix_nano=_ns(begin_of(record)))
    yield Span.Event(name="verdict", time_unix_nano=_ns(record.time))


def _last(answers: Sequence[Answer]) -> Answer:
    """Return the last answer that is not a mere go-on, else the last."""
    for answer in reversed(answers):
        if answer.verdict not in ("continue", "skip"):
            return answer
    return answers[-1]


def _status(verdict: str, text: str, evaluated: bool = False) -> Status:
    """Return an error for what was lost or refused, unless the refusal had no effect."""
    if verdict.startswith(_LOST) or (verdict in REFUSING and not evaluated):
        return Status(code=Status.STATUS_CODE_ERROR, message=_text(text or verdict))
    return Status()


def _id(size: int, *parts: str) -> bytes:
    """Return so many bytes that are the same for the same texts."""
    text = "\0".join(("postmill", *parts))
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:size]


def _ns(seconds: float) -> int:
    return round(seconds * 1e6) * 1000
