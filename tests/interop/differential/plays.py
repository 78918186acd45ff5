"""What scripted filters can do, as steps of a scenario, and their translation into scripts of the testing
kit.

The words: ``reply letter payload``, ``raw hex``, ``delay seconds``, ``trickle hex seconds``, ``close``,
``reset``, ``half-close``, ``mute``.  The functions below build the common ones; packets by protocol §3.1.
"""

from __future__ import annotations

from struct import pack

from postmill.testing.script import (
    Close,
    Delay,
    HalfClose,
    Negotiation,
    Reset,
    Rule,
    Script,
    Send,
    StopAnswering,
    Trickle,
)
from postmill.testing.script import Step as KitStep
from postmill.wire.framing import frame
from tests.interop.differential.scenario import Child, ChildRule, Step


def reply(letter: str, payload: str = "") -> Step:
    """Any one packet."""
    return ("reply", letter, payload)


def verdict(word: str) -> tuple[Step, ...]:
    """The steps of a verdict: a letter, ``y550 …`` with its text, several joined by ``+`` as in ``p+c``."""
    return tuple(_verdict(part) for part in word.split("+"))


def _verdict(part: str) -> Step:
    if part[0] == "y":
        return reply("y", part[1:] + "\0")
    if part == "q":
        return reply("q", "held by a scripted filter\0")
    return reply(part)


def add_header(name: str, value: str) -> Step:
    """ADDHEADER."""
    return reply("h", f"{name}\0{value}\0")


def insert_header(index: int, name: str, value: str) -> Step:
    """INSHEADER at a position over all headers."""
    return reply("i", _u32(index) + f"{name}\0{value}\0")


def change_header(index: int, name: str, value: str) -> Step:
    """CHGHEADER of the index-th header of that name; an empty value deletes."""
    return reply("m", _u32(index) + f"{name}\0{value}\0")


def replace_body(text: str) -> Step:
    """One REPLBODY packet."""
    return reply("b", text)


def add_rcpt(address: str) -> Step:
    """ADDRCPT."""
    return reply("+", f"{address}\0")


def add_rcpt_par(address: str, args: str) -> Step:
    """ADDRCPT_PAR."""
    return reply("2", f"{address}\0{args}\0")


def del_rcpt(address: str) -> Step:
    """DELRCPT."""
    return reply("-", f"{address}\0")


def change_from(address: str, args: str | None = None) -> Step:
    """CHGFROM."""
    return reply("e", f"{address}\0" + (f"{args}\0" if args is not None else ""))


def quarantine(reason: str = "held by a scripted filter") -> Step:
    """QUARANTINE."""
    return reply("q", f"{reason}\0")


CONTINUE = reply("c")


def rule(
    at: str,
    *do: Step,
    nth: int | None = None,
    message: int | None = None,
    containing: str | None = None,
) -> ChildRule:
    """A rule from its steps."""
    return ChildRule(at, do, nth, message, containing)


def script(child: Child) -> Script:
    """The testing kit's script for a filter of a scenario."""
    negotiation = Negotiation(
        version=child.version,
        actions=child.actions,
        protocol=child.protocol,
        symlists=tuple((stage, names.encode("latin-1")) for stage, names in child.symlists),
        fit=child.fit,
        extra=child.extra.encode("latin-1"),
        steps=None if child.negotiate is None else tuple(map(_step, child.negotiate)),
    )
    return Script(negotiation, tuple(map(_rule, child.rules)))


def _rule(given: ChildRule) -> Rule:
    containing = None if given.containing is None else given.containing.encode("latin-1")
    return Rule(
        given.at,
        tuple(map(_step, given.do)),
        nth=given.nth,
        message=given.message,
        containing=containing,
        forced=bool(given.forced),
    )


_PLAIN: dict[str, KitStep] = {
    "close": Close(),
    "reset": Reset(),
    "half-close": HalfClose(),
    "mute": StopAnswering(),
}


def _step(step: Step) -> KitStep:
    match step:
        case ("reply", letter, payload):
            return Send(frame(ord(letter), payload.encode("latin-1")))
        case ("raw", data):
            return Send(bytes.fromhex(data))
        case ("delay", seconds):
            return Delay(float(seconds))
        case ("trickle", data, seconds):
            return Trickle(bytes.fromhex(data), float(seconds))
    return _PLAIN[step[0]]


def _u32(number: int) -> str:
    return pack(">I", number).decode("latin-1")
