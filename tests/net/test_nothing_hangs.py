"""Every fault of a child at every stage (protocol §7.3, §9.8, §10.2).

The MTA gets the configured answer within the time-outs, the next message of the session is treated by the
same rule, and whoever is healthy sees both messages complete.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from postmill.testing.child import ScriptedChild
from tests.net.faults import (
    CONTENT,
    EVENTS,
    FAULTS,
    OPENING_FAULTS,
    child_failing_to_negotiate,
    faulty_child,
    healthy_child,
)
from tests.net.hosting import NO_BREAKER, SHORT, Host
from tests.net.sessions import ON_ERROR, Case, play_all

POSITIONS = (1, 2, 3)
ALL = bool(os.environ.get("POSTMILL_ALL_FAULTS"))
"""Whether to try the whole product (14,000 sessions) instead of a part in which every fault meets every stage."""
OLD_OFFER = 0x7F
"""What an MTA offers that wants an answer to each header and each piece of the body."""
SEEN = "OCHU" + 2 * "MRTLNBE" + "Q"
"""What a healthy child sees of a session, ABORT and the number of headers apart."""


@dataclass
class Chains:
    """A faulty child among healthy ones; a service for each place it can have and each ``on_error``."""

    host: Host
    healthy: dict[int, ScriptedChild]
    endpoints: dict[tuple[int, str], str]
    pipeline: bool
    share: int
    """One in so many of all cases is tried."""

    def cases(self, stages: str = EVENTS, share: int = 0) -> list[Case]:
        """Faults, stages, rules and places: all of them, or one in ``share`` in turn."""
        turns = product(FAULTS, stages, ON_ERROR, POSITIONS)
        sensible = (turn for turn in turns if turn[1] in FAULTS[turn[0]].stages)
        chosen = (
            turn for number, turn in enumerate(sensible) if number % (1 if ALL else share or self.share) == 0
        )
        return [
            Case(self.endpoints[place, rule], fault, stage, place, rule, pipeline=self.pipeline)
            for fault, stage, rule, place in chosen
        ]


def milter(child: ScriptedChild, on_error: str, **settings: Any) -> dict[str, Any]:
    """The table of one child."""
    return {
        "socket": str(child.endpoint),
        "on_error": on_error,
        "timeouts": SHORT,
        "breaker": NO_BREAKER,
        **settings,
    }


@pytest.fixture(
    scope="module",
    params=[("parallel", True, 5), ("in-turn", True, 13), ("parallel", False, 13), ("in-turn", False, 17)],
    ids=["parallel", "in-turn", "parallel-stepwise", "in-turn-stepwise"],
)
def chains(request: pytest.FixtureRequest) -> Generator[Chains, None, None]:
    ask, pipeline, share = request.param
    with ExitStack() as stack:
        healthy = {n: stack.enter_context(healthy_child(f"child{n}")) for n in POSITIONS}
        faulty = {n: stack.enter_context(faulty_child(f"child{n}")) for n in POSITIONS}
        host = Host()
        endpoints = {}
        for place, rule in product(POSITIONS, ON_ERROR):
            row = {**healthy, place: faulty[place]}
            milters = {f"child{n}": milter(row[n], rule, pipeline=pipeline) for n in POSITIONS}
            endpoints[place, rule] = host.add(milters, ask=ask)
        stack.enter_context(host)
        yield Chains(host, healthy, endpoints, pipeline, share)
        assert "defect in Postmill" not in host.log


def report(problems: Iterable[str]) -> str:
    """The first problems, for people."""
    texts = list(problems)
    return "\n".join([f"{len(texts)} problems", *texts[:30]])


def test_the_mta_gets_the_configured_answer(chains: Chains) -> None:
    cases = chains.cases()
    problems = play_all(cases)
    assert not problems, report(problems)
    problems = bystanders(chains, cases)
    assert not problems, report(problems)


def bystanders(chains: Chains, cases: Iterable[Case]) -> list[str]:
    """Return which healthy children missed something although the mail went on without the faulty one."""
    problems = []
    for number, child in chains.healthy.items():
        child.wait_closed()
        seen: dict[int, str] = {}
        sessions = {}
        for event in child.events:
            seen[event.connection] = seen.get(event.connection, "") + event.code
            if event.code == "C":
                sessions[event.payload.partition(b"\0")[0]] = event.connection
        for case in cases:
            if case.on_error != "accept" or case.position == number:
                continue
            letters = seen[sessions[case.host]]
            if re.sub("LL+", "L", letters.replace("A", "")) != SEEN:
                problems.append(f"{case}: child {number} saw {letters}")
    return problems


@pytest.mark.parametrize("chains", [("parallel", True, 5)], indirect=True, ids=["parallel"])
def test_an_mta_that_wants_every_answer_gets_them(chains: Chains) -> None:
    problems = play_all(chains.cases(CONTENT + "E", share=13), OLD_OFFER)
    assert not problems, report(problems)


@pytest.mark.parametrize("healthy_first", [False, True], ids=["never-met", "met-before"])
def test_a_child_that_fails_at_the_offer(healthy_first: bool) -> None:
    with ExitStack() as stack:
        healthy = {n: stack.enter_context(healthy_child(f"child{n}")) for n in POSITIONS}
        host = Host()
        chosen = [
            (fault, rule, (number + turn) % 3 + 1)
            for number, fault in enumerate(OPENING_FAULTS)
            for turn, rule in enumerate(ON_ERROR)
        ]
        cases = []
        for fault, rule, place in chosen:
            # each service gets a child of its own: whether it was met before is a matter of the service
            child = stack.enter_context(child_failing_to_negotiate(fault, f"child{place}", healthy_first))
            row = {**healthy, place: child}
            endpoint = host.add({f"child{n}": milter(row[n], rule) for n in POSITIONS})
            cases.append(Case(endpoint, fault, "O", place, rule))
        stack.enter_context(host)
        if healthy_first:
            first = [Case(case.endpoint, "none", "", 0, "") for case in cases]
            problems = play_all(first)
            assert not problems, report(problems)
        problems = play_all(cases)
        assert not problems, report(problems)
        assert "defect in Postmill" not in host.log


@pytest.mark.parametrize("rule", ON_ERROR)
def test_a_child_that_is_not_there(rule: str) -> None:
    with ExitStack() as stack:
        healthy = {n: stack.enter_context(healthy_child(f"child{n}")) for n in POSITIONS}
        host = Host()
        cases = []
        for place in POSITIONS:
            milters = {f"child{n}": milter(healthy[n], rule) for n in POSITIONS}
            milters[f"child{place}"]["socket"] = f"unix:{host.directory}/nobody"
            cases.append(Case(host.add(milters), "none", "O", place, rule))
        stack.enter_context(host)
        problems = play_all([*cases, *cases])
        assert not problems, report(problems)
