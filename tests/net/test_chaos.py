"""All children break at once, each in its own way and at its own time: the MTA is always answered.

Which fault falls where follows from the name of the session alone, so a session that goes wrong can be
played again by its name.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.script import Default, Event, Negotiation, Rule, Script, Steps
from postmill.testing.words import edit, reply
from postmill.wire.codes import Protocol
from tests.interop.postfix import wait_until
from tests.net.faults import EVENTS, FAULTS
from tests.net.hosting import NO_BREAKER, Host
from tests.net.sessions import ON_ERROR, Case, play

QUICK = {"connect": "1s", "command": "0.5s", "content": "0.5s"}
SESSIONS = 600
VERDICTS = ("accept", "reject", "tempfail", "discard", "550 5.7.1 no", "skip")
EDITS = (
    "add-header:X-A:1",
    "change-header:1:Subject:",
    "replace-body:new",
    "quarantine:odd",
    "add-rcpt:<n@x>",
)
ANSWERS = {
    "continue",
    "accept",
    "discard",
    "reject",
    "tempfail",
    "550 5.7.1 no",
    "550 5.5.0 Service unavailable",
    "421 4.7.1 Service unavailable - try again later",
    "421 4.3.5 Server configuration problem - try again later",
    "451 4.3.5 Server configuration problem - try again later",
}


class Moody:
    """A child that in each session does two odd things, at stages and in messages that the name gives it."""

    def __init__(self, name: str, protocol: int) -> None:
        self._name = name
        self._moods: dict[int, dict[tuple[str, int], Steps]] = {}
        self.script = Script(Negotiation(protocol=protocol), [Rule(EVENTS, self._steps, forced=True)])

    def _steps(self, event: Event) -> Steps:
        if event.letter == ord("C"):
            self._moods[event.connection] = self._mood(event.payload.partition(b"\0")[0].decode())
        moods = self._moods.get(event.connection, {})
        steps = moods.pop((chr(event.letter), event.message), (Default(),))
        return () if event.no_reply and steps == (Default(),) else steps

    def _mood(self, session: str) -> dict[tuple[str, int], Steps]:
        chance = random.Random(f"{session} {self._name}")
        moods: dict[tuple[str, int], Steps] = {}
        for _ in range(2):
            stage = chance.choice(EVENTS)
            at = (stage, 0 if stage in "CHU" else chance.choice((1, 2)))
            if chance.random() < 0.5:
                moods[at] = FAULTS[chance.choice(list(FAULTS))].steps
            else:
                edits = map(edit, chance.sample(EDITS, chance.randrange(3))) if stage == "E" else ()
                moods[at] = (*edits, reply(chance.choice(VERDICTS)))
        return moods


@dataclass
class Chaos:
    """Several services before the same moody children."""

    host: Host
    endpoints: list[str]
    children: list[ScriptedChild]


@pytest.fixture(scope="module")
def chaos() -> Generator[Chaos, None, None]:
    silent = Protocol.NR_HDR | Protocol.NR_BODY | Protocol.NR_MAIL
    flags = (0, Protocol.NOHELO | Protocol.NOUNKNOWN, silent)
    with ExitStack() as stack:
        children = [
            stack.enter_context(ScriptedChild(Moody(f"child{n}", protocol).script))
            for n, protocol in enumerate(flags)
        ]
        host = Host()
        endpoints = []
        for turn in range(12):
            milters = {
                f"child{n}": {
                    "socket": str(child.endpoint),
                    "on_error": ON_ERROR[(turn + n) % 6],
                    "timeouts": QUICK,
                    "breaker": NO_BREAKER if turn % 4 else {"failures": 5, "retry": "0.1s"},
                    "pipeline": turn % 3 != 0,
                    "pool": turn % 2 == 0,
                    "content": "parallel" if (turn + n) % 5 == 0 else "in-turn",
                    "mode": "evaluate" if (turn + n) % 7 == 0 else "enforce",
                    "max_sessions": 20 if turn == 5 else 0,
                }
                for n, child in enumerate(children)
            }
            endpoints.append(host.add(milters, ask="in-turn" if turn % 4 == 1 else "parallel"))
        stack.enter_context(host)
        yield Chaos(host, endpoints, children)


def problem(endpoint: str, number: int) -> str:
    """Play one session; what was wrong with it."""
    case = Case(endpoint, "chaos", str(number), 0, "", number=number)
    try:
        heard = play(case, 0x7F if number % 5 == 0 else 0x1FFFFF)
    except Exception as error:
        return f"session {number} at {endpoint}: {error!r}"
    odd = [word for _, word, _ in heard if word not in ANSWERS]
    return f"session {number} at {endpoint}: {heard}" if odd else ""


def test_the_mta_is_always_answered(chaos: Chaos) -> None:
    with ThreadPoolExecutor(32) as pool:
        found = pool.map(problem, cycle(chaos.endpoints), range(SESSIONS))
        problems = [text for text in found if text]
    assert not problems, "\n".join([f"{len(problems)} problems", *problems[:20]])
    assert "defect in Postmill" not in chaos.host.log
    for child in chaos.children:
        child.drop_connections()  # those that are kept for other sessions
        wait_until(lambda child=child: child.open_connections == 0, "the end of all links", 20)  # type: ignore[misc]
    records = chaos.host.records
    assert len(records) > SESSIONS / 2
    assert len({record["verdict"] for record in records}) >= 6
