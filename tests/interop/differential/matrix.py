"""Every stage × every verdict × one to three filters, with the deciding filter in each place (protocol §3.2,
§6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.interop.differential.dialogues import TWO_MESSAGES, WITH_UNKNOWN
from tests.interop.differential.plays import rule, verdict
from tests.interop.differential.scenario import Child, ManagerSettings, Scenario

STAGES = "CHMRTLNBEU"
VERDICTS = {
    "continue": "c",
    "accept": "a",
    "reject": "r",
    "tempfail": "t",
    "discard": "d",
    "skip": "s",
    "progress": "p+p+c",
    "y450": "y450 4.7.1 scripted later",
    "y550": "y550 5.7.1 scripted never",
    "y-lines": "y550-5.7.1 first\r\n550 5.7.1 second 100%% sure",
    "y421": "y421 4.7.0 scripted goodbye",
    "quarantine": "q+c",
    "shutdown": "4",
    "close": "",
}
NOT_COMPARABLE = {("U", "accept"), ("U", "discard")}
"""Outside a transaction these crash smtpd (protocol §6.6): nothing to be the same as."""

EVERYTHING_AS_POSTFIX = ("quarantine", "lost-edits", "shutdown", "unknown-verdicts", "reply-text")
STRICT = ManagerSettings(same_as_postfix=EVERYTHING_AS_POSTFIX)


def scenarios() -> Iterator[Scenario]:
    """The whole matrix, in-turn and exact."""
    for stage in STAGES:
        for name in VERDICTS:
            for count in (1, 2, 3):
                for place in range(count):
                    if (stage, name) not in NOT_COMPARABLE:
                        yield cell(stage, name, count, place)


def bursts() -> Iterator[Scenario]:
    """The content's part of the matrix, handed over in bursts; the verdict comes in every message."""
    pipelined = ManagerSettings(pipeline=True, same_as_postfix=EVERYTHING_AS_POSTFIX)
    for stage in "LNBE":
        for name, word in VERDICTS.items():
            for count, place in ((1, 0), (2, 0), (2, 1), (3, 1)):
                decider = Child((rule(stage, *(verdict(word) if word else (("close",),)), nth=1),))
                children = tuple(decider if number == place else Child() for number in range(count))
                scenario = Scenario(f"burst-{stage}-{name}-{place + 1}of{count}", children, TWO_MESSAGES)
                yield replace(scenario, manager=pipelined)


def cell(stage: str, name: str, count: int, place: int) -> Scenario:
    """One cell: filter ``place`` of ``count`` decides once, in the first message."""
    once = None if stage in "CHU" else 1
    word = VERDICTS[name]
    steps = verdict(word) if word else (("close",),)
    decider = Child((rule(stage, *steps, nth=1, message=once),))
    children = tuple(decider if number == place else Child() for number in range(count))
    client = WITH_UNKNOWN if stage == "U" else TWO_MESSAGES
    return Scenario(f"matrix-{stage}-{name}-{place + 1}of{count}", children, client, manager=STRICT)
