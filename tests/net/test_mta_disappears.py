"""The MTA goes away in the middle (protocol §9.9): children hear ABORT and QUIT, and nothing is left over."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.script import Rule, Script, StopAnswering
from postmill.wire.codes import Command
from postmill.wire.framing import frame
from tests.interop.postfix import wait_until
from tests.net.faults import FAULTS, faulty_child
from tests.net.hosting import NO_BREAKER, Host
from tests.net.sessions import Case, play

CONNECT = b"host\x004\x12\x34127.0.0.1\0"
SESSION: tuple[tuple[str, bytes], ...] = (
    ("O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"),
    ("C", CONNECT),
    ("H", b"client\0"),
    ("M", b"<s@x>\0"),
    ("R", b"<r@x>\0"),
    ("T", b""),
    ("L", b"Subject\0 x\0"),
    ("N", b""),
    ("B", b"text\r\n"),
    ("E", b""),
)
STAGES = "".join(letter for letter, _ in SESSION)
QUIET = "LNB"
QUICK = {"connect": "0.3s", "command": "0.3s", "content": "0.3s"}


@dataclass
class Rig:
    """Two children behind one service; ``host`` counts its open files."""

    host: Host
    endpoint: str
    children: tuple[ScriptedChild, ScriptedChild]


@pytest.fixture(scope="module")
def long_running() -> Generator[Rig, None, None]:
    with ExitStack() as stack:
        children = (stack.enter_context(ScriptedChild()), stack.enter_context(ScriptedChild()))
        host = Host()
        endpoint = host.add({f"child{n}": {"socket": str(c.endpoint)} for n, c in enumerate(children)})
        with host:
            yield Rig(host, endpoint, children)
            assert "defect in Postmill" not in host.log


@pytest.fixture
def rig(long_running: Rig) -> Rig:
    """The same for all tests, with children that remember nothing and whose answers are known."""
    settle(long_running)
    for child in long_running.children:
        child.clear()
    return long_running


def vanish(endpoint: str, last: str, how: str) -> None:
    """A session up to and with the command ``last``, then gone: answered or not, politely or half way."""
    with FakeMta(endpoint) as mta:
        for letter, payload in SESSION[: STAGES.index(last)]:
            mta.send_raw(frame(ord(letter), payload))
            if letter not in QUIET:
                mta.receive()
        packet = frame(ord(last), dict(SESSION)[last])
        mta.send_raw(packet[:-1] if how == "half" else packet)
        if how in ("answered", "quit") and last not in QUIET:
            mta.receive()
        if how == "quit":
            mta.send_raw(frame(Command.QUIT))


def session_seen(rig: Rig, child: ScriptedChild) -> tuple[str, str]:
    """What this child saw of the oldest session it remembers, and how that ended."""
    first = min(event.connection for event in child.events)
    ends = {connection.number: connection.how for connection in child.connections}
    return child.letters(first), ends[first]


def settle(rig: Rig) -> None:
    """Wait until the service is done with the MTA that is gone."""
    vanish(rig.endpoint, "C", "quit")  # one more session, so that there is one to wait for
    for child in rig.children:
        child.wait_closed()


@pytest.mark.parametrize("how", ["answered", "unanswered", "half", "quit"])
@pytest.mark.parametrize("last", "CHMRTLNBE")
def test_children_are_left_in_good_manners(rig: Rig, last: str, how: str) -> None:
    vanish(rig.endpoint, last, how)
    settle(rig)
    for child in rig.children:
        letters, end = session_seen(rig, child)
        assert end == "quit"
        if "E" not in letters:  # at E it depends on who was quicker
            assert letters.count("A") == letters.count("M")
        assert letters.endswith("AQ" if "A" in letters else "Q")


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_question_under_way_is_broken_off(rig: Rig, stage: str, place: int) -> None:
    child = rig.children[place]
    child.script = Script(rules=[Rule(stage, (StopAnswering(),))])
    with FakeMta(rig.endpoint) as mta:
        for letter, payload in SESSION[: STAGES.index("E" if stage in QUIET else stage)]:
            mta.send_raw(frame(ord(letter), payload))
            if letter not in QUIET:
                mta.receive()
        mta.send_raw(frame(ord("E" if stage in QUIET else stage), dict(SESSION)[stage]))
        child.wait_for(lambda event: event.code == stage)
    child.script = Script()
    settle(rig)
    for child in rig.children:
        letters, end = session_seen(rig, child)
        assert end == "quit"
        if child is rig.children[place]:
            assert letters.endswith("AQ" if "M" in letters else "Q"), letters


def test_no_file_stays_open(rig: Rig) -> None:
    """Sessions of every kind, many at a time; after them the process has as many open files as before."""
    kinds = list(product("OCHMRTLNBE", ("answered", "unanswered", "half", "quit")))
    for last, how in kinds[:4]:
        vanish(rig.endpoint, last, how)
    settle(rig)
    before = rig.host.open_files
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda kind: vanish(rig.endpoint, *kind), 5 * kinds))
    settle(rig)
    wait_until(lambda: rig.host.open_files <= before, f"{rig.host.open_files} open files, {before} before")


def test_no_file_stays_open_after_faults() -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(faulty_child(f"child{n}")) for n in (1, 2)]
        host = Host()
        rules = {"on_error": "accept", "timeouts": QUICK, "breaker": NO_BREAKER}
        milters = {f"child{n}": {"socket": str(c.endpoint), **rules} for n, c in enumerate(children, 1)}
        endpoint = host.add(milters)
        stack.enter_context(host)
        play(Case(endpoint, "none", "", 0, "accept", children=2))
        for child in children:
            child.wait_closed()
        before = host.open_files
        for _ in range(2):  # both children break at once; what the MTA is told, other tests look at
            cases = [Case(endpoint, name, f.stages[-1], 1, "accept") for name, f in FAULTS.items()]
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(play, cases))
        wait_until(lambda: host.open_files <= before, f"{host.open_files} open files, {before} before")
        assert "defect in Postmill" not in host.log
