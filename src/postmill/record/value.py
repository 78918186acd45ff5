"""What is known about one message when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from postmill.record.change import Change

_T = TypeVar("_T")

STAGE_NAMES = {
    "O": "negotiate",
    "C": "connect",
    "H": "helo",
    "M": "mail",
    "R": "rcpt",
    "T": "data",
    "U": "unknown",
    "L": "header",
    "N": "end-of-header",
    "B": "body",
    "E": "end-of-message",
}


class Answer(NamedTuple):
    """What a child said to one event: stage, verdict, milliseconds, its reply text or fault, and why.

    Milliseconds have three digits behind the point, from where it is recorded.
    """

    stage: str
    verdict: str
    ms: float
    text: str = ""
    because: str = ""
    """Only milters of ours say that."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        stage, verdict, ms, said, because = self
        values = {"stage": stage, "verdict": verdict, "ms": ms, "text": said}
        if because:
            values["because"] = because
        return values


_MS: Callable[[Answer], float] = attrgetter("ms")
_in_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Decision(NamedTuple):
    """What a condition of a child said: its name as `when` has it, whether it holds, and why."""

    name: str
    applies: bool
    because: str


@dataclass(slots=True)
class ChildRecord:
    """All that one child had to do with a message."""

    name: str
    answers: list[Answer] = field(default_factory=list)
    edits: dict[str, int] = field(default_factory=dict)
    """Kind of edit to how many took effect, or would have."""
    changes: list[Change] = field(default_factory=list)
    """What they changed."""
    evaluated: bool = False
    """Its verdicts and edits were recorded, not applied."""
    repeated: int = 0
    """How many of the answers, the first ones, stand in an earlier record of the same connection, too."""
    conditions: dict[str, Decision] = field(default_factory=dict)
    """What was decided about asking it, by the condition's name."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; derived figures included."""
        return {
            "name": self.name,
            "answers": [one.as_dict() for one in self.answers],
            "edits": self.edits,
            "changes": [change._asdict() for change in self.changes],
            "evaluated": self.evaluated,
            "repeated": self.repeated,
            "conditions": [decision._asdict() for decision in self.conditions.values()],
            "verdict": self.verdict,
            "ms": round(self.ms, 3),
        }

    def compact(self) -> dict[str, Any]:
        """Return what is not empty, and cannot be derived; tuples as they are."""
        values: dict[str, Any] = {"name": self.name, "answers": self.answers}
        if self.edits:
            values["edits"] = self.edits
        if self.changes:
            values["changes"] = self.changes
        if self.evaluated:
            values["evaluated"] = True
        if self.repeated:
            values["repeated"] = self.repeated
        if self.conditions:
            values["conditions"] = [*self.conditions.values()]
        return values

    @property
    def skipped(self) -> Decision | None:
        """Return the decision that left it out, None where it was not left out."""
        return next((decision for decision in self.conditions.values() if not decision.applies), None)

    @property
    def ms(self) -> float:
        """Milliseconds it was waited for, all stages together."""
        return sum(map(_MS, self.answers))

    @property
    def verdict(self) -> str:
        """Its last word on the message."""
        for answer in reversed(self.answers):
            if answer.verdict not in ("continue", "skip"):
                return answer.verdict
        if self.skipped is not None:
            return "skipped"
        return "continue" if self.answers else "not-asked"

    @property
    def because(self) -> str:
        """Why its last word is what it is, where it says so."""
        return next((answer.because for answer in reversed(self.answers) if answer.because), "")


@dataclass(slots=True)
class Recipient:
    """One recipient as the client gave it, and what it was told."""

    address: str
    verdict: str


@dataclass(slots=True)
class MessageRecord:
    """One message, or a connection that ended before any."""

    session: str = ""
    queue_id: str = ""
    message_id: str = ""
    """Its Message-ID header, as it came; empty where the message was decided before it."""
    size: int = 0
    """Bytes of the message as it came; 0 where it was decided before."""
    time: float = 0.0
    """When it was over, in seconds of the wall clock; 0 until somebody says so."""
    client_name: str = ""
    client_address: str = ""
    helo: str = ""
    sender: str | None = None
    recipients: list[Recipient] = field(default_factory=list)
    children: dict[str, ChildRecord] = field(default_factory=dict)
    stage: str = ""
    """Where the verdict fell."""
    verdict: str = ""
    """accept, reject, tempfail, discard, quarantine, shutdown; aborted when the MTA gave the message up."""
    by: str = ""
    """Whose verdict it was; empty when nobody objected."""
    reply: str = ""
    """SMTP reply text that goes with the verdict."""
    held: str = ""
    """Reason for which the message is quarantined."""
    ms: float = 0.0
    """Milliseconds from MAIL to the verdict, the client's own time included."""

    def as_json(self) -> str:
        """Return ``as_dict`` as JSON; the record must be complete."""
        return _in_json(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; derived figures included."""
        return self._values(
            [{"address": one.address, "verdict": one.verdict} for one in self.recipients],
            [child.as_dict() for child in self.children.values()],
        )

    def compact_json(self) -> str:
        """Return JSON from which ``from_dict`` makes the record again, in half the time and size."""
        return _in_json(
            self._values(
                [(one.address, one.verdict) for one in self.recipients],
                [child.compact() for child in self.children.values()],
            )
        )

    def _values(self, recipients: list[Any], children: list[Any]) -> dict[str, Any]:
        return {
            "session": self.session,
            "queue_id": self.queue_id,
            "message_id": self.message_id,
            "size": self.size,
            "time": round(self.time, 3),
            "client_name": self.client_name,
            "client_address": self.client_address,
            "helo": self.helo,
            "sender": self.sender,
            "recipients": recipients,
            "children": children,
            "stage": self.stage,
            "verdict": self.verdict,
            "by": self.by,
            "reply": self.reply,
            "held": self.held,
            "ms": round(self.ms, 3),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MessageRecord:
        """Return the record of which ``as_dict`` or ``compact_json`` gave these values.

        What it does not know is left out.
        """
        record = cls(**_known(cls, data, "children", "recipients"))
        record.recipients = _each(Recipient, data["recipients"])
        for each in data["children"]:
            child = ChildRecord(**_known(ChildRecord, each, "answers", "changes", "conditions"))
            child.answers = _each(Answer, each["answers"])
            child.changes = _each(Change, each.get("changes", ()))
            decisions = _each(Decision, each.get("conditions", ()))
            child.conditions = {decision.name: decision for decision in decisions}
            record.children[child.name] = child
        return record


def _each(kind: Callable[..., _T], values: Iterable[dict[str, Any] | Sequence[Any]]) -> list[_T]:
    """Return what is given by the names of its parts, or by their order."""
    return [kind(**value) if isinstance(value, dict) else kind(*value) for value in values]


def _known(kind: type, data: Mapping[str, Any], *besides: str) -> dict[str, Any]:
    names = _names(kind, besides)
    return {key: value for key, value in data.items() if key in names}


@cache
def _names(kind: type, besides: tuple[str, ...]) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind) if each.init).difference(besides)
