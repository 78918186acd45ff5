"""What can go wrong at a child (protocol §10.2), and a child that does it in the sessions it is told to.

A session names its fault in the host name of CONNECT (``fault.stage.number``), so that one child serves
hundreds of sessions with different faults at the same time. Without a fault a child adds one header.
"""

from __future__ import annotations

from dataclasses import dataclass

from postmill.testing.child import ScriptedChild
from postmill.testing.script import (
    CONTINUE,
    Close,
    Default,
    Delay,
    Event,
    HalfClose,
    Reset,
    Rule,
    Script,
    Send,
    Steps,
    StopAnswering,
    Trickle,
)
from postmill.wire.framing import frame

EVENTS = "CHUMRTLNBE"
CONTENT = "LNB"
_C = frame(ord("c"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break: the steps, and the stages at which they are a fault.

    ``later``: nobody can know before the next event. ``config``: Postfix calls it a configuration error.
    """

    steps: Steps
    stages: str = EVENTS
    later: bool = False
    config: bool = False


def _edit(letter: str, payload: bytes) -> Send:
    return Send(frame(ord(letter), payload))


FAULTS: dict[str, Fault] = {
    "silent": Fault((StopAnswering(),)),
    "close": Fault((Close(),)),
    "half-close": Fault((HalfClose(),)),
    "reset": Fault((Reset(),)),
    "half-packet": Fault((Send(_C[:3]), StopAnswering())),
    "garbage": Fault((Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),)),
    "trickle": Fault((Trickle(_C, 1.0),)),
    "progress-then-silent": Fault((_edit("p", b""), StopAnswering())),
    "surplus": Fault((Send(_C + _C),)),
    "unsolicited": Fault((CONTINUE, Delay(0.03), CONTINUE), "CHUMRTE", later=True),
    "close-between": Fault((CONTINUE, Delay(0.03), Close()), "CHUMRTE", later=True),
    "unknown-reply": Fault((_edit("Z", b""),)),
    "conn-fail": Fault((_edit("f", b""),)),
    "negotiation-again": Fault((_edit("O", b"\0\0\0\6" + bytes(8)),)),
    "oversize": Fault((Send(b"\xff\xff\xff\xffc"),)),
    "zero-length": Fault((Send(b"\0\0\0\0"),)),
    "edit": Fault((_edit("h", b"X-Bad\0v\0"), CONTINUE), "CHUMRTLNB"),
    "malformed-reply": Fault((_edit("y", b"250 2.0.0 fine\0"),), config=True),
    "unended-reply": Fault((_edit("y", b"550 5.7.1 no"),), config=True),
    "close-in-edits": Fault((_edit("h", b"X-Bad\0v\0"), _edit("+", b"<bad@x>\0"), Close()), "E"),
    "silent-in-edits": Fault((_edit("h", b"X-Bad\0v\0"), _edit("-", b"<r@x>\0"), StopAnswering()), "E"),
    "close-in-body": Fault((_edit("b", b"half a bo"), Close()), "E"),
    "silent-in-body": Fault((_edit("b", b"half a bo"), StopAnswering()), "E"),
    "broken-edit": Fault((_edit("h", b"X-Bad"), CONTINUE), "E"),
    "nameless-edit": Fault((_edit("m", b"\0\0\0\1\0v\0"), CONTINUE), "E", config=True),
    "split-body": Fault(
        (_edit("b", b"a"), _edit("h", b"X-Bad\0v\0"), _edit("b", b"b"), CONTINUE), "E", config=True
    ),
}
"""By name. That a child closes its writing side is no more use to anybody than if it closed."""

OPENING_FAULTS: dict[str, Steps] = {
    "silent": (StopAnswering(),),
    "close": (Close(),),
    "reset": (Reset(),),
    "half-packet": (Send(frame(ord("O"), b"\0\0\0\6")[:7]), StopAnswering()),
    "garbage": (Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),),
    "trickle": (Trickle(frame(ord("O"), b"\0\0\0\6" + bytes(8)), 1.0),),
    "surplus": (Send(frame(ord("O"), b"\0\0\0\6" + bytes(8)) + _C),),
    "unknown-reply": (Send(frame(ord("Z"))),),
    "other-reply": (Send(_C),),
    "oversize": (Send(b"\xff\xff\xff\xffO"),),
    "zero-length": (Send(b"\0\0\0\0"),),
    "short": (Send(frame(ord("O"), b"\0\0\0\6")),),
    "too-new": (Send(frame(ord("O"), b"\0\0\0\7" + bytes(8))),),
    "not-offered": (Send(frame(ord("O"), b"\0\0\0\6\x80\0\0\0" + bytes(4))),),
    "broken-list": (Send(frame(ord("O"), b"\0\0\0\6" + bytes(8) + b"\0\0\0\1j")),),
}
"""What can go wrong with the answer to the offer (protocol §4.4)."""


class FaultScript:
    """The steps of a child named ``name``; as child ``broken`` it does what the session's name says."""

    def __init__(self, name: str, broken: bool) -> None:
        self._edit = Send(frame(ord("h"), b"X-Child\0" + name.encode() + b"\0"))
        self._broken = broken
        self._plans: dict[int, tuple[str, Fault]] = {}

    def script(self) -> Script:
        """The script that asks here."""
        return Script(rules=[Rule(EVENTS, self.steps, forced=True)])

    def steps(self, event: Event) -> Steps:
        """What to do at this event."""
        letter = chr(event.letter)
        if letter == "C" and self._broken:
            fault, stage, _number = event.payload.partition(b"\0")[0].decode().split(".")
            if fault in FAULTS:
                self._plans[event.connection] = (stage, FAULTS[fault])
        stage, plan = self._plans.get(event.connection, ("", None))
        if plan is not None and letter == stage and event.nth == 1 and event.message <= 1:
            return (self._edit, *plan.steps) if plan.later and letter == "E" else plan.steps
        return (self._edit, CONTINUE) if letter == "E" else (Default(),)


def healthy_child(name: str) -> ScriptedChild:
    """A child that adds one header and has no faults."""
    return ScriptedChild(FaultScript(name, broken=False).script())


def faulty_child(name: str) -> ScriptedChild:
    """A child that breaks as its sessions tell it."""
    return ScriptedChild(FaultScript(name, broken=True).script())


def child_failing_to_negotiate(fault: str, name: str, healthy_first: bool) -> ScriptedChild:
    """A child that answers no offer, or none but its first, as it should."""
    steps = OPENING_FAULTS[fault]
    rules = [Rule("O", (Default(),), connection=1)] if healthy_first else []
    return ScriptedChild(
        Script(rules=[*rules, Rule("O", steps), *FaultScript(name, broken=False).script().rules])
    )


__all__ = [
    "CONTENT",
    "EVENTS",
    "FAULTS",
    "OPENING_FAULTS",
    "Fault",
    "child_failing_to_negotiate",
    "faulty_child",
    "healthy_child",
]
