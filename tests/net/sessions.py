"""One session of a fake MTA against a chain with a faulty child, and what it must have heard.

``play`` says everything to the end and writes down each answer; ``expected`` works the answers out from
the configuration alone: protocol §7.3 and §9.8 (default actions, sticky for the connection) and §9.2 (what the
other children go on seeing).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from postmill.testing.mta import FakeMta
from postmill.wire.packets import AddHeader, Quarantine, ReplyPacket
from tests.net.faults import CONTENT, FAULTS

POSTFIX = {b"j": b"mx", b"v": b"Postfix 3.7.11"}
CONNECTION, MESSAGE = "CHU", "MRTE"
Transcript = list[tuple[str, str, tuple[str, ...]]]
"""Stage, answer in words, edits in words; both messages of the session one after the other."""

_numbers = count(1)
_REFUSALS = {
    "tempfail": "tempfail",
    "reject": "550 5.5.0 Service unavailable",
    "shutdown": "421 4.7.1 Service unavailable - try again later",
    "discard": "discard",
}
_MISCONFIGURED = {
    "tempfail": "451 4.3.5 Server configuration problem - try again later",
    "reject": "451 4.3.5 Server configuration problem - try again later",
    "discard": "451 4.3.5 Server configuration problem - try again later",
    "shutdown": "421 4.3.5 Server configuration problem - try again later",
}
ON_ERROR = ("accept", "tempfail", "reject", "discard", "quarantine", "shutdown")


@dataclass(frozen=True, slots=True)
class Case:
    """One session: which fault, at which stage, of which child (from 1) of how many, under which rule."""

    endpoint: str
    fault: str
    stage: str
    position: int
    on_error: str
    children: int = 3
    pipeline: bool = True
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def host(self) -> bytes:
        """The host name by which the children recognise the session."""
        return f"{self.fault}.{self.stage}.{self.number}".encode()

    def __str__(self) -> str:
        return f"{self.fault} at {self.stage} of child {self.position} with on_error={self.on_error}"


PAUSE = 0.1
"""Seconds for what a child does a little later; on a busy machine it may take ``LONG_PAUSE``."""
LONG_PAUSE = 2.0


def play(case: Case, offer: int = 0x1FFFFF, pause: float = PAUSE) -> Transcript:
    """Carry the session out: connection, message, ABORT, message; raises TimeoutError where it hangs."""
    heard: Transcript = []
    later = case.fault in FAULTS and FAULTS[case.fault].later
    with FakeMta(case.endpoint, timeout=8) as mta:
        mta.negotiate(protocol=offer)
        payloads = {"C": case.host + b"\x004\x12\x34127.0.0.1\0", "H": b"client\0", "U": b"XYZZY\0"}
        for stage in CONNECTION:
            _say(mta, heard, stage, payloads[stage], POSTFIX if stage == "C" else None)
            if later and stage == case.stage:
                time.sleep(pause)
        for message in (1, 2):
            _message(mta, heard, case.stage if later and message == 1 else "", pause)
            mta.abort()
        mta.abort()
        mta.quit()
    return heard


def _message(mta: FakeMta, heard: Transcript, pause_at: str, pause: float) -> None:
    """One message, up to its first answer other than continue; a refusal of one recipient ends it too."""
    payloads = {"M": b"<s@x>\0", "R": b"<r@x>\0", "T": b""}
    for stage in MESSAGE:
        if stage == "E":
            for name in (b"From", b"Subject"):
                mta.header(name, b" value", POSTFIX)
            mta.end_of_headers({})
            mta.body(b"text\r\n", {})
        word = _say(mta, heard, stage, payloads.get(stage, b""), {b"i": b"QID"})
        if stage == pause_at:
            time.sleep(pause)
        if word != "continue":
            return


def _say(
    mta: FakeMta, heard: Transcript, stage: str, payload: bytes, macros: dict[bytes, bytes] | None
) -> str:
    outcome = mta.command(stage, payload, macros)
    if outcome.letter:
        heard.append((stage, outcome.word, tuple(_edit_word(edit) for edit in outcome.edits)))
    return outcome.word or "continue"


def _edit_word(edit: ReplyPacket) -> str:
    match edit:
        case AddHeader(_, value):
            return value.strip().decode()
        case Quarantine(reason):
            return f"hold:{reason.decode()}"
    return repr(edit)


def expected(case: Case) -> list[Transcript]:
    """What the MTA may hear; more than one where it depends on how the packets fall."""
    fault = FAULTS.get(case.fault)
    if not case.stage:
        return [_transcript(case, ("", 0), False)]
    if case.stage == "O":
        return [_transcript(case, ("C", 1), False)]
    assert fault is not None
    shown = ("E", 1) if case.stage in CONTENT else (case.stage, 1)
    if fault.later:
        # on a busy machine what comes a little later is seen together with the answer before it
        return [_transcript(case, _after(case.stage), False), _transcript(case, shown, False)]
    transcripts = [_transcript(case, shown, fault.config)]
    if case.fault == "surplus" and case.stage in CONTENT and case.pipeline:
        # one reply too many in a burst shows only when all are counted: it may be too late for this message
        transcripts.append(_transcript(case, ("M", 2), fault.config, silent_child=True))
    return transcripts


def _after(stage: str) -> tuple[str, int]:
    order = CONNECTION + MESSAGE
    return ("M", 2) if stage == "E" else (order[order.index(stage) + 1], 1)


def _transcript(case: Case, shown: tuple[str, int], config: bool, silent_child: bool = False) -> Transcript:
    """What is heard when the fault becomes known at this stage of this message."""
    heard: Transcript = []
    failed = False
    answers = _MISCONFIGURED if config else _REFUSALS
    for message, stages in ((0, CONNECTION), (1, MESSAGE), (2, MESSAGE)):
        if message == 2 and shown == ("E", 1):
            answers = _REFUSALS  # Postfix's next process does not know why the filter is gone (protocol §7.3)
        for stage in stages:
            failed = failed or (stage == shown[0] and max(message, 1) == shown[1])
            word = answers.get(case.on_error, "continue") if failed else "continue"
            if word == "discard" and message == 0:
                word = "continue"  # there is no message yet that could be discarded
            edits = _edits(case, failed or silent_child) if stage == "E" and word == "continue" else ()
            if stage == "E" and word == "continue" and failed and case.on_error == "quarantine":
                edits += ("hold:default_action",)
            heard.append((stage, word, edits))
            if word != "continue" and message:
                break
    return heard


def _edits(case: Case, failed: bool) -> tuple[str, ...]:
    names = range(1, case.children + 1)
    return tuple(f"child{name}" for name in names if not (failed and name == case.position))


def play_all(cases: list[Case], offer: int = 0x1FFFFF, at_once: int = 40) -> list[str]:
    """Play many sessions at the same time; return what was not as expected, for people."""

    def judge(case: Case) -> str:
        try:
            wanted, heard = expected(case), play(case, offer)
            if heard not in wanted and case.fault in FAULTS and FAULTS[case.fault].later:
                heard = play(case, offer, LONG_PAUSE)
        except Exception as error:
            return f"{case}: {error!r}"
        return "" if heard in wanted else f"{case}:\n  heard    {heard}\n  expected {wanted}"

    with ThreadPoolExecutor(at_once) as pool:
        return [problem for problem in pool.map(judge, cases) if problem]
