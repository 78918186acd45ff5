"""A message of the history as spans of OpenTelemetry: one for the message, one for each child and stage.

Their ids are made of what the message is, so the same message sent twice is the same trace, and its trace is
found by its queue id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from postmill import __version__
from postmill.history import Entry, cleaner
from postmill.record import Answer, MessageRecord
from postmill.tracing.choosing import REFUSING
from postmill.tracing.timing import Span, begin_of
from postmill.tracing.timing import spans as timed

Attributes = dict[str, str | bool | int | float | Sequence[str]]
_SCOPE = InstrumentationScope("postmill", __version__)
_LOST = "lost"


def trace_id(host: str, queue_id: str) -> int:
    """Return the id of the trace of a message that a machine's mail server gave this queue id."""
    return _number(16, host, queue_id)


def spans_of(entry: Entry, addresses: bool) -> list[ReadableSpan]:
    """Return the spans of a message, its own first; mail addresses are in them only with ``addresses``."""
    record = entry.record
    clean = str if addresses else cleaner(record, "omit")
    trace = trace_id(entry.host, record.queue_id or f"{record.session} {entry.row}")
    whole = _context(trace, _number(8, entry.host, str(entry.row)))
    parts = timed(record)
    resource = _machine(entry.host)
    own = ReadableSpan(
        "connection" if record.sender is None else "message",
        context=whole,
        resource=resource,
        attributes=_of_message(record, addresses, clean),
        events=[*_events(record)],
        kind=SpanKind.SERVER,
        status=_status(record.verdict, clean(record.reply)),
        start_time=_ns(min([begin_of(record), *(part.start for part in parts)])),
        end_time=_ns(max([record.time, *(part.end for part in parts)])),
        instrumentation_scope=_SCOPE,
    )
    return [own, *(_child(part, whole, resource, entry, clean) for part in sorted(parts, key=_began))]


class _Machine(Resource):
    """Where it was. The encoder asks for its hash with every span, which in the library's words is JSON."""

    def __hash__(self) -> int:
        return hash(self.attributes["host.name"])


@lru_cache
def _machine(host: str) -> Resource:
    return _Machine({"service.name": "postmill", "service.version": __version__, "host.name": host})


def _began(part: Span) -> float:
    return part.start


def _child(
    part: Span, whole: SpanContext, resource: Resource, entry: Entry, clean: Callable[[str], str]
) -> ReadableSpan:
    last = _last(part.answers)
    reply, evaluated = clean(last.text), entry.record.children[part.child].evaluated
    attributes: Attributes = {
        "postmill.milter": part.child,
        "postmill.stage": part.stage,
        "postmill.verdict": last.verdict,
        "postmill.answers": len(part.answers),
        "postmill.evaluated": evaluated,
        "postmill.reply": reply,
        "postmill.because": clean(last.because),
    }
    return ReadableSpan(
        f"{part.child} {part.stage}",
        context=_context(whole.trace_id, _number(8, entry.host, str(entry.row), part.child, part.stage)),
        parent=whole,
        resource=resource,
        attributes=_said(attributes),
        kind=SpanKind.CLIENT,
        status=_status(last.verdict, reply, evaluated),
        start_time=_ns(part.start),
        end_time=_ns(part.end),
        instrumentation_scope=_SCOPE,
    )


def _of_message(record: MessageRecord, addresses: bool, clean: Callable[[str], str]) -> Attributes:
    left_out = {name: child.skipped for name, child in record.children.items()}
    attributes: Attributes = {
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
        "postmill.left_out": [f"{name}: {decision.name}" for name, decision in left_out.items() if decision],
        "client.address": record.client_address,
        "postmill.client_name": record.client_name,
    }
    if addresses:
        attributes["postmill.sender"] = record.sender or ""
        attributes["postmill.recipients"] = [recipient.address for recipient in record.recipients]
    return _said(attributes)


def _events(record: MessageRecord) -> Iterator[Event]:
    """Yield the two moments that are measured."""
    if record.sender is not None:
        yield Event("MAIL", timestamp=_ns(begin_of(record)))
    yield Event("verdict", timestamp=_ns(record.time))


def _last(answers: Sequence[Answer]) -> Answer:
    """Return the last answer that is not a mere go-on, else the last."""
    return next((one for one in reversed(answers) if one.verdict not in ("continue", "skip")), answers[-1])


def _status(verdict: str, text: str, evaluated: bool = False) -> Status:
    """Return an error for what was lost or refused, unless the refusal had no effect."""
    if verdict.startswith(_LOST) or (verdict in REFUSING and not evaluated):
        return Status(StatusCode.ERROR, text or verdict)
    return Status(StatusCode.UNSET)


def _said(attributes: Attributes) -> Attributes:
    """Leave out what is empty or false."""
    return {name: value for name, value in attributes.items() if value not in ("", []) and value is not False}


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _number(size: int, *parts: str) -> int:
    """Return a number of so many bytes that is the same for the same texts, and never 0."""
    text = "\0".join(("postmill", *parts))
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:size], "big") or 1


def _ns(seconds: float) -> int:
    return round(seconds * 1e6) * 1000
