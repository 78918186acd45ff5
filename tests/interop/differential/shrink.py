"""Makes a differing scenario small: drops filters, rules, steps, flags and text while it still differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from tests.interop.differential.dialogues import MESSAGE
from tests.interop.differential.scenario import Child, ChildRule, PostfixSettings, Scenario, Step

T = TypeVar("T")
MOST_TRIES = 250


def shrink(scenario: Scenario, differs: Callable[[Scenario], bool], tries: int = MOST_TRIES) -> Scenario:
    """Return the smallest scenario found for which ``differs`` still holds, within ``tries`` calls of it."""
    smaller = True
    while smaller and tries > 0:
        smaller = False
        for candidate in candidates(scenario):
            tries -= 1
            if differs(candidate):
                scenario, smaller = candidate, True
                break
            if tries <= 0:
                break
    return scenario


def candidates(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that are a little smaller than this one, the biggest cuts first."""
    for position in range(len(scenario.children)):
        if len(scenario.children) > 1:
            yield replace(scenario, children=_without(scenario.children, position))
    for position in range(len(scenario.client)):
        yield replace(scenario, client=_without(scenario.client, position))
    for position, child in enumerate(scenario.children):
        for simpler in _simpler_children(child):
            yield replace(scenario, children=_with(scenario.children, position, simpler))
    for position, step in enumerate(scenario.client):
        for shorter in _shorter_steps(step):
            yield replace(scenario, client=_with(scenario.client, position, shorter))
    if scenario.postfix != PostfixSettings():
        yield replace(scenario, postfix=PostfixSettings())
    if scenario.manager.ask != "in-turn":
        yield replace(scenario, manager=replace(scenario.manager, ask="in-turn"))


def _simpler_children(child: Child) -> Iterator[Child]:
    for position, rule in enumerate(child.rules):
        yield replace(child, rules=_without(child.rules, position))
        for simpler in _simpler_rules(rule):
            yield replace(child, rules=_with(child.rules, position, simpler))
    for bit in range(32):
        if child.protocol & 1 << bit:
            yield replace(child, protocol=child.protocol & ~(1 << bit))
    for position in range(len(child.symlists)):
        yield replace(child, symlists=_without(child.symlists, position))
    if child.version != 6:
        yield replace(child, version=6)


def _simpler_rules(rule: ChildRule) -> Iterator[ChildRule]:
    for position in range(len(rule.do)):
        if len(rule.do) > 1:
            yield replace(rule, do=_without(rule.do, position))
    freed = (replace(rule, nth=None), replace(rule, message=None), replace(rule, containing=None))
    yield from (simpler for simpler in freed if simpler != rule)


def _shorter_steps(step: Step) -> Iterator[Step]:
    if step[0] == "big":
        yield ("message", step[1])
    if step[0] == "message" and step[1] != MESSAGE and len(step[1]) > len(MESSAGE):
        yield ("message", MESSAGE)
    if step[0] == "message":
        lines = step[1].splitlines(keepends=True)
        for position in range(len(lines)):
            yield ("message", "".join(_without(tuple(lines), position)))


def _without(items: tuple[T, ...], position: int) -> tuple[T, ...]:
    return items[:position] + items[position + 1 :]


def _with(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position + 1 :])
