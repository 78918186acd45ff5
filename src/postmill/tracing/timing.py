"""When each child was at each stage, as far as a record tells.

A record has the time at which it was complete, the milliseconds since MAIL, and those of each answer. These
are measured. When an answer began is not recorded; it is derived from how the chain asks (docs/tracing.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from postmill.record import Answer, MessageRecord

_BEFORE = ("negotiate", "connect", "helo")
"""Stages before MAIL, at which children are asked at once."""
_ENVELOPE = ("mail", "rcpt", "data", "unknown")
_IN_TURN = ("rcpt", "unknown")
"""Stages at which one child is asked after the other."""
_CONTENT = ("header", "end-of-header", "body", "end-of-message")


class Part:
    """One child at one stage: what it said, the seconds that took, and when it began by the wall clock."""

    __slots__ = ("answers", "child", "seconds", "stage", "start")

    def __init__(self, child: str, stage: str, answer: Answer) -> None:
        self.child = child
        self.stage = stage
        self.answers = [answer]
        self.seconds = answer.ms / 1000
        self.start = 0.0


_Stages = Mapping[str, Sequence[Part]]
"""Stage to the children that were asked there, in their order."""


def begin_of(record: MessageRecord) -> float:
    """Return when MAIL came: this is measured. For a connection without a message, when it was over."""
    return record.time - record.ms / 1000


def parts_of(record: MessageRecord) -> list[Part]:
    """Return the parts by when they began; what an earlier record of the connection has is left out."""
    parts, stages = _parts(record)
    mail = begin_of(record)
    _place_backwards(stages, mail)
    _place_content(stages, _place_forwards(stages, mail), record.time)
    parts.sort(key=attrgetter("start"))
    return parts


def _parts(record: MessageRecord) -> tuple[list[Part], _Stages]:
    parts: list[Part] = []
    stages: dict[str, list[Part]] = {}
    for child in record.children.values():
        own: dict[str, Part] = {}
        for answer in child.answers[child.repeated :] if child.repeated else child.answers:
            stage = answer.stage
            part = own.get(stage)
            if part is not None:
                part.answers.append(answer)
                part.seconds += answer.ms / 1000
                continue
            part = own[stage] = Part(child.name, stage, answer)
            parts.append(part)
            asked = stages.get(stage)
            if asked is None:
                asked = stages[stage] = []
            asked.append(part)
    return parts, stages


def _place_backwards(stages: _Stages, end: float) -> None:
    """Lay the stages before MAIL one after the other, so that the last ends with it."""
    for stage in reversed(_BEFORE):
        if asked := stages.get(stage):
            end -= max([part.seconds for part in asked])
            for part in asked:
                part.start = end


def _place_forwards(stages: _Stages, begin: float) -> float:
    """Lay the stages of the envelope one after the other from MAIL on, and return when they are over."""
    for stage in _ENVELOPE:
        over = begin
        for part in stages.get(stage, ()):
            part.start = over if stage in _IN_TURN else begin
            over = max(over, part.start + part.seconds)
        begin = over
    return begin


def _place_content(stages: _Stages, free_from: float, end: float) -> None:
    """Lay the content so that it ends with the message: one child after the other if there was time for it.

    Where there was not, children were shown it at the same time.
    """
    shown: dict[str, list[Part]] = {}
    for stage in _CONTENT:
        for part in stages.get(stage, ()):
            shown.setdefault(part.child, []).append(part)
    lengths = [sum(part.seconds for part in parts) for parts in shown.values()]
    whole = sum(lengths)
    in_turn = whole <= end - free_from
    begin = end - (whole if in_turn else max(lengths, default=0.0))
    for parts in shown.values():
        at = begin
        for part in parts:
            part.start = at
            at += part.seconds
        begin = at if in_turn else begin
