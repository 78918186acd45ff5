"""Settings under which filters must still look the same: ``content = "parallel"`` and ``pool = true``.

``parallel`` lets a filter read the message while those before it do: nobody may edit what a later one sees here; what
becomes of edits is in ``documented``.  ``pool`` lets a filter's link serve one SMTP session after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.interop.differential import families
from tests.interop.differential.dialogues import MANY_HEADERS, ONE_MESSAGE, TWO_MESSAGES
from tests.interop.differential.edits import OTHER_EDITS, editor
from tests.interop.differential.matrix import STAGES, STRICT, VERDICTS, cell
from tests.interop.differential.permitted import edits_content
from tests.interop.differential.plays import quarantine, rule, verdict
from tests.interop.differential.scenario import Child, ManagerSettings, PostfixSettings, Scenario

PARALLEL = replace(STRICT, content="parallel")
PARALLEL_IN_BURSTS = replace(PARALLEL, ask="parallel", pipeline=True)
POOL = replace(STRICT, pool=True)
POOL_IN_BURSTS = replace(POOL, ask="parallel", pipeline=True)


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield from parallel()
    yield from pool()


# ---------------------------------------------------------------- content = "parallel"


def parallel() -> Iterator[Scenario]:
    """Verdicts and faults in the content, envelope edits, and the families of several filters."""
    for kind, manager, stages in (("turn", PARALLEL, "LNBE"), ("burst", PARALLEL_IN_BURSTS, "LE")):
        for stage in stages:
            for name, word in VERDICTS.items():
                decider = Child((rule(stage, *(verdict(word) if word else (("close",),))),))
                for count, place in ((2, 0), (2, 1), (3, 1)):
                    children = tuple(decider if number == place else Child() for number in range(count))
                    label = f"parallel-{kind}-{stage}-{name}-{place + 1}of{count}"
                    yield Scenario(label, children, TWO_MESSAGES, manager=manager)
        yield from _envelope_edits(kind, manager)
    for scenario in families.comparable():
        quick = scenario.postfix.content_timeout == PostfixSettings.content_timeout
        anew = not scenario.name.startswith(("stage-", "m2-")) and "+" not in scenario.name
        if independent(scenario.children) and not scenario.submits and quick and anew:
            yield replace(scenario, name=f"{scenario.name}+parallel", manager=PARALLEL, expect=())


def independent(children: tuple[Child, ...]) -> bool:
    """Whether there are several filters, and none edits what a later one sees."""
    return len(children) > 1 and not any(map(edits_content, children[:-1]))


def _envelope_edits(kind: str, manager: ManagerSettings) -> Iterator[Scenario]:
    on_the_envelope = {
        name: steps for name, steps in OTHER_EDITS.items() if name.startswith(("rcpt", "from"))
    }
    on_the_envelope["held"] = (quarantine(),)
    last = editor(*OTHER_EDITS["received"], *OTHER_EDITS["body"])
    for name, steps in on_the_envelope.items():
        children = (editor(*steps), Child(), last)
        yield Scenario(f"parallel-{kind}-{name}", children, MANY_HEADERS, manager=manager)


# ---------------------------------------------------------------- pool = true


def pool() -> Iterator[Scenario]:
    """Every stage and verdict in the first of two sessions, or in both; links used three times over."""
    for stage in STAGES:
        for name in VERDICTS:
            for place in (0, 1) if stage in "ME" else (0,):
                if _compares(stage, name):
                    yield _again(cell(stage, name, 2, place), POOL)
    for scenario in families.comparable():
        if scenario.name.startswith(("edit-", "symlist", "neg-")) and len(scenario.children) > 1:
            yield _again(scenario, POOL_IN_BURSTS)
    thrice = (*TWO_MESSAGES, ("connect",), *ONE_MESSAGE, ("connect",), *MANY_HEADERS)
    for name, manager in (("", POOL), ("-in-bursts", POOL_IN_BURSTS)):
        yield Scenario(f"pool-thrice{name}", (Child(), Child(), Child()), thrice, manager=manager)
        yield Scenario(f"pool-dropped{name}", (Child(), Child()), (*thrice[:-1], ("drop",)), manager=manager)


def _compares(stage: str, name: str) -> bool:
    """Some answers to UNKNOWN crash smtpd (protocol §6.6); a link closed at CONNECT is taken for one closed while idle."""
    return (stage, name) not in {("U", "accept"), ("U", "discard"), ("C", "close")}


def _again(scenario: Scenario, manager: ManagerSettings) -> Scenario:
    client = (*scenario.client, ("connect",), *scenario.client)
    return replace(scenario, name=f"{scenario.name}+pool", client=client, manager=manager, expect=())
