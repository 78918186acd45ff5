"""When each child was at each stage, as far as a record tells.

A record has the time at which it was complete, the milliseconds since MAIL, and those of each answer. These
are measured. When an answer began is not recorded; it is derived from how the chain asks (docs/tracing.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from postmill.record import Answer, MessageRecord

_BEFORE = ("negotiate", "connect", "helo")
"""Stages before MAIL, at which children are asked at once."""
_ENVELOPE = ("mail", "rcpt", "data", "unknown")
_IN_TURN = ("rcpt", "unknown")
"""Stages at which one child is asked after the other."""
_CONTENT = ("header", "end-of-header", "body", "end-of-message")

Answers = Sequence[Answer]


class Span(NamedTuple):
    """One child at one stage; seconds of the wall clock."""

    child: str
    stage: str
    start: float
    end: float
    answers: Answers


class _Part:
    """What one child said at one stage, and how many seconds it took for that."""

    __slots__ = ("answers", "seconds")

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seconds = 0.0


_Stages = Mapping[str, Mapping[str, _Part]]
"""Stage to child to what it said there."""
_NOBODY: Mapping[str, _Part] = {}


def begin_of(record: MessageRecord) -> float:
    """Return when MAIL came: this is measured. For a connection without a message, when it was over."""
    return record.time - record.ms / 1000


def spans(record: MessageRecord) -> list[Span]:
    """Return the spans of a record; what an earlier record of the same connection has is left out."""
    stages = _stages(record)
    mail = begin_of(record)
    before = [*_backwards(stages, mail)]
    envelope, free_from = _forwards(stages, mail)
    return [*before, *envelope, *_content(stages, free_from, record.time)]


def _stages(record: MessageRecord) -> _Stages:
    found: dict[str, dict[str, _Part]] = {}
    for child in record.children.values():
        for answer in child.answers[child.repeated :]:
            asked = found.setdefault(answer.stage, {})
            part = asked.get(child.name)
            if part is None:
                part = asked[child.name] = _Part()
            part.answers.append(answer)
            part.seconds += answer.ms / 1000
    return found


def _backwards(stages: _Stages, end: float) -> Iterator[Span]:
    """Lay the stages before MAIL one after the other, so that the last ends with it."""
    for stage in reversed(_BEFORE):
        asked = stages.get(stage, _NOBODY)
        end -= max((part.seconds for part in asked.values()), default=0.0)
        for child, part in asked.items():
            yield Span(child, stage, end, end + part.seconds, part.answers)


def _forwards(stages: _Stages, begin: float) -> tuple[list[Span], float]:
    """Lay the stages of the envelope one after the other from MAIL on, and say when they are over."""
    laid: list[Span] = []
    for stage in _ENVELOPE:
        over = begin
        for child, part in stages.get(stage, _NOBODY).items():
            start = over if stage in _IN_TURN else begin
            laid.append(Span(child, stage, start, start + part.seconds, part.answers))
            over = max(over, laid[-1].end)
        begin = over
    return laid, begin


def _content(stages: _Stages, free_from: float, end: float) -> Iterator[Span]:
    """Lay the content so that it ends with the message: one child after the other if there was time for it.

    Where there was not, children were shown it at the same time.
    """
    shown = [(stage, asked) for stage in _CONTENT if (asked := stages.get(stage))]
    lengths: dict[str, float] = {}
    for _, asked in shown:
        for child, part in asked.items():
            lengths[child] = lengths.get(child, 0.0) + part.seconds
    whole = sum(lengths.values())
    in_turn = whole <= end - free_from
    begin = end - (whole if in_turn else max(lengths.values(), default=0.0))
    for child in lengths:
        at = begin
        for stage, asked in shown:
            if child in asked:
                part = asked[child]
                yield Span(child, stage, at, at + part.seconds, part.answers)
                at += part.seconds
        begin = at if in_turn else begin
