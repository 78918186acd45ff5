"""How a scripted child behaves, in words: steps, shares, the answer to the offer.

Here belongs the way from one text to one part of a `Script`; the words for replies and edits are `words`'.
`wishes` makes rules of many such texts, `script_file` of a file.
"""

from __future__ import annotations

import re
from dataclasses import replace

from postmill.testing.arguments import flags
from postmill.testing.script import (
    Close,
    Default,
    Delay,
    HalfClose,
    Negotiation,
    Reset,
    Send,
    Step,
    StopAnswering,
    StopReading,
    Trickle,
)
from postmill.testing.words import (
    NotationError,
    edit,
    raw_bytes,
    reply,
    seconds,
)
from postmill.wire.codes import Action, Command, MacroStage, Protocol
from postmill.wire.framing import frame

GARBAGE = b"\xff\xfe\xfd\xfcgarbage"

BARE_STEPS: dict[str, Step] = {
    "close": Close(),
    "half-close": HalfClose(),
    "reset": Reset(),
    "stop-answering": StopAnswering(),
    "stop-reading": StopReading(),
    "default": Default(),
    "garbage": Send(GARBAGE),
    "half-packet": Send(frame(Command.CONNECT, b"half a packet")[:3]),
}
STEP_FORMS = "reply REPLY, edit EDIT, delay TIME, raw BYTES, trickle TIME REPLY, " + ", ".join(BARE_STEPS)


def step(text: str) -> Step:
    """One step from its words, see STEP_FORMS."""
    word, _, rest = text.strip().partition(" ")
    match word, rest.strip():
        case "reply", rest if rest:
            return reply(rest)
        case "edit", rest if rest:
            return edit(rest)
        case "delay", rest if rest:
            return Delay(seconds(rest))
        case "raw", rest if rest:
            return Send(raw_bytes(rest))
        case "trickle", rest if rest:
            pause, _, words = rest.partition(" ")
            return Trickle(reply(words or "continue").data, seconds(pause))
        case bare, "" if bare in BARE_STEPS:
            return BARE_STEPS[bare]
        case _:
            raise NotationError(f"unknown step {text!r}; steps are {STEP_FORMS}")


def share(text: str) -> float:
    """A share of the sessions from ``10%`` or ``0.1``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= value <= 1:
        raise NotationError(f"{text!r} is no share; write for example 10%")
    return value


def negotiation(text: str) -> Negotiation:
    """The answer to the offer from ``actions=ADDHDRS,protocol=SKIP,version=6``, or ``close``, ``silence``,
    ``raw=BYTES``.

    A value goes on to the next ``name=``. ``exact`` keeps what was not offered; ``symlist=STAGE:NAMES``
    asks for macros.
    """
    word = text.strip()
    if word in ("close", "silence"):
        return Negotiation(steps=(Close() if word == "close" else StopAnswering(),))
    if word.startswith("raw="):
        return Negotiation(steps=(Send(raw_bytes(word.removeprefix("raw="))),))
    answer = Negotiation()
    for part in re.split(r",(?=\s*(?:version|actions|protocol|symlist)=|\s*exact\b)", word):
        name, _, value = part.strip().partition("=")
        answer = _negotiated(answer, name, value)
    return answer


def _negotiated(answer: Negotiation, name: str, value: str) -> Negotiation:
    match name:
        case "version":
            return replace(answer, version=number(value))
        case "actions":
            return replace(answer, actions=flags(value, Action))
        case "protocol":
            return replace(answer, protocol=flags(value, Protocol))
        case "exact":
            return replace(answer, fit=False)
        case "symlist":
            stage, _, names = value.partition(":")
            return replace(answer, symlists=(*answer.symlists, symlist(stage, names)))
        case _:
            forms = "version=, actions=, protocol=, symlist=STAGE:NAMES, exact, or close, silence, raw="
            raise NotationError(f"unknown part {name!r} of a negotiation; parts are {forms}")


def number(text: str) -> int:
    """A whole number, decimal or with ``0x`` in front."""
    try:
        return int(text, 0)
    except ValueError:
        raise NotationError(f"{text!r} is no number") from None


def symlist(stage: str, names: str) -> tuple[int, bytes]:
    """A list of macros to ask for, from a stage's name and the macro names."""
    stages = {
        "connect": MacroStage.CONNECT,
        "helo": MacroStage.HELO,
        "mail": MacroStage.MAIL,
        "rcpt": MacroStage.RCPT,
        "data": MacroStage.DATA,
        "end-of-message": MacroStage.EOM,
        "eom": MacroStage.EOM,
        "end-of-header": MacroStage.EOH,
        "eoh": MacroStage.EOH,
    }
    if stage not in stages:
        raise NotationError(f"unknown stage {stage!r} of a macro list; stages are {', '.join(stages)}")
    return int(stages[stage]), names.encode()
