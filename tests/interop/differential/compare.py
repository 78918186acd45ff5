"""Compares what two arrangements did with one scenario: `compare` returns every difference that is not
permitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.interop.differential import normal, permitted
from tests.interop.differential.observation import Connection, Observation, Packet
from tests.interop.differential.scenario import Scenario


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same, with both sides as text."""

    what: str
    direct: str
    behind: str

    def __str__(self) -> str:
        return f"{self.what}\n    direct: {self.direct}\n    behind: {self.behind}"


@dataclass(frozen=True)
class Verdict:
    """The differences, and the names of the excuses that were used."""

    differences: tuple[Difference, ...]
    excused: tuple[str, ...] = ()


def compare(scenario: Scenario, direct: Observation, behind: Observation) -> Verdict:
    """Compare two observations of the same scenario."""
    differences: list[Difference] = []
    excused: list[str] = []
    for found in _outside(scenario, direct, behind):
        if isinstance(found, str):
            excused.append(found)
        else:
            differences.append(found)
    for position, (one, other) in enumerate(zip(direct.children, behind.children, strict=True)):
        for found in _child(scenario, position, one, other):
            if isinstance(found, str):
                excused.append(found)
            else:
                differences.append(found)
    return Verdict(tuple(differences), tuple(excused))


def _outside(scenario: Scenario, direct: Observation, behind: Observation) -> Iterator[Difference | str]:
    """What client, recipients and queue show."""
    for one, other in zip_longest(direct.replies, behind.replies):
        if one != other:
            said = (one or other)[0]
            name = permitted.excuse_reply(scenario, said, one and one[1], other and other[1])
            yield name or Difference(f"reply to {said!r}", repr(one and one[1]), repr(other and other[1]))
    for what in ("delivered", "held", "left"):
        one, other = getattr(direct, what), getattr(behind, what)
        if one != other:
            yield Difference(what, _listing(one), _listing(other))


def _child(
    scenario: Scenario, position: int, direct: tuple[Connection, ...], behind: tuple[Connection, ...]
) -> Iterator[Difference | str]:
    """Differences and excuses of one child, connection by connection."""
    ones, others = normal.sessions(scenario, direct), normal.sessions(scenario, behind)
    if len(others) != len(ones):
        ones, others = _used(ones), _used(others)
    for number, (one, other) in enumerate(zip_longest(ones, others, fillvalue=()), 1):
        if one == other:
            continue
        name = permitted.excuse(permitted.Case(scenario, position, one, other))
        what = f"child {position + 1}, connection {number}"
        yield name or Difference(what, *_first_difference(one, other))


def _used(connections: list[tuple[Packet, ...]]) -> list[tuple[Packet, ...]]:
    """Drop connections without any event.

    Postmill negotiates with every child when the MTA does, Postfix only when the child's turn comes at CONNECT; and
    Postmill connects a child that wants no CONNECT only when there is something for it (§9.10).
    """
    return [packets for packets in connections if not {letter for letter, _ in packets} <= {"O", "D"}]


def _first_difference(one: tuple[Packet, ...], other: tuple[Packet, ...]) -> tuple[str, str]:
    place = next((index for index, pair in enumerate(zip_longest(one, other)) if pair[0] != pair[1]), 0)
    return _around(one, place), _around(other, place)


def _around(packets: tuple[Packet, ...], place: int) -> str:
    letters = "".join(letter for letter, _ in packets if letter != "D")
    here = " ".join(f"{letter}{payload[:200]!r}" for letter, payload in packets[place : place + 2])
    return f"{letters or '(nothing)'}; at {place}: {here or '(end)'}"


def _listing(values: tuple[object, ...]) -> str:
    return "; ".join(repr(value)[:3000] for value in values) or "(nothing)"
