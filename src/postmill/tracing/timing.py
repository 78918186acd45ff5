"""When each child was at each stage, as far as a record tells.

A record has the time at which it was complete, the milliseconds since MAIL, and those of each answer. These
are measured. When an answer began is not recorded; it is derived from how the chain asks (docs/tracing.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from postmill.record import Answer, MessageRecord

_BEFORE = ("negotiate", "connect", "helo")
"""Stages before MAIL, at which children are asked at once."""
_ENVELOPE = ("mail", "rcpt", "data", "unknown")
_IN_TURN = ("rcpt", "unknown")
"""Stages at which one child is asked after the other."""
_CONTENT = ("header", "end-of-header", "body", "end-of-message")

Answers = Sequence[Answer]
Stages = Mapping[str, Mapping[str, Answers]]
"""Stage to child to what it said there."""


class Span(NamedTuple):
    """One child at one stage; seconds of the wall clock."""

    child: str
    stage: str
    start: float
    end: float
    answers: Answers


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


def _stages(record: MessageRecord) -> Stages:
    found: dict[str, dict[str, list[Answer]]] = {}
    for child in record.children.values():
        for answer in child.answers[child.repeated :]:
            found.setdefault(answer.stage, {}).setdefault(child.name, []).append(answer)
    return found


def _seconds(answers: Iterable[Answer]) -> float:
    return sum(answer.ms for answer in answers) / 1000


def _backwards(stages: Stages, end: float) -> Iterator[Span]:
    """Lay the stages before MAIL one after the other, so that the last ends with it."""
    for stage in reversed(_BEFORE):
        asked = stages.get(stage, {})
        end -= max(map(_seconds, asked.values()), default=0.0)
        for child, answers in asked.items():
            yield Span(child, stage, end, end + _seconds(answers), answers)


def _forwards(stages: Stages, begin: float) -> tuple[list[Span], float]:
    """Lay the stages of the envelope one after the other from MAIL on, and say when they are over."""
    laid: list[Span] = []
    for stage in _ENVELOPE:
        over = begin
        for child, answers in stages.get(stage, {}).items():
            start = over if stage in _IN_TURN else begin
            laid.append(Span(child, stage, start, start + _seconds(answers), answers))
            over = max(over, laid[-1].end)
        begin = over
    return laid, begin


def _content(stages: Stages, free_from: float, end: float) -> Iterator[Span]:
    """Lay the content so that it ends with the message: one child after the other if there was time for it.

    Where there was not, children were shown it at the same time.
    """
    children = list(dict.fromkeys(child for stage in _CONTENT for child in stages.get(stage, {})))
    lengths = {
        child: sum(_seconds(stages.get(stage, {}).get(child, ())) for stage in _CONTENT) for child in children
    }
    whole = sum(lengths.values())
    in_turn = whole <= end - free_from
    begin = end - (whole if in_turn else max(lengths.values(), default=0.0))
    for child in children:
        at = begin
        for stage in _CONTENT:
            if answers := stages.get(stage, {}).get(child):
                yield Span(child, stage, at, at + _seconds(answers), answers)
                at += _seconds(answers)
        begin = at if in_turn else begin
