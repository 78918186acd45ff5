"""Conditions that have to wait, over real sockets: signs of life, a time limit, an MTA that goes away meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.wire.codes import Command
from postmill.wire.framing import frame
from tests.interop.postfix import wait_until
from tests.net.hosting import Host

POLICY = '''\
"""A condition that takes its time, and tells a file what becomes of it."""

import asyncio
from pathlib import Path

from postmill.api import Applies, Apply, Sender, condition

DIARY = Path(__file__).with_suffix(".diary")


@condition("takes-its-time")
async def takes_its_time(sender: Sender) -> Applies:
    """Wait as long as the sender's name says, in seconds."""
    try:
        await asyncio.sleep(float(sender.address.local))
    except asyncio.CancelledError:
        with DIARY.open("a") as diary:
            diary.write(f"{sender.address.local} called off\\n")
        raise
    return Apply("it took its time")
'''


@dataclass
class Place:
    endpoint: str
    child: ScriptedChild
    diary: Path


@pytest.fixture(scope="module")
def place() -> Generator[Place, None, None]:
    with ExitStack() as stack:
        child = stack.enter_context(ScriptedChild())
        host = Host()
        policies = host.directory / "policy.d"
        policies.mkdir()
        (policies / "slow.py").write_text(POLICY)
        milters = {"m": {"socket": str(child.endpoint), "when": ["takes-its-time"]}}
        endpoint = host.add(milters, progress_interval="0.5s", condition_timeout="3s")
        stack.enter_context(host)
        yield Place(endpoint, child, policies / "slow.diary")


def begin(mta: FakeMta) -> None:
    mta.negotiate()
    mta.client(macros={b"v": b"Postfix 3.7.11"})
    mta.helo()


def test_the_mta_is_told_to_go_on_waiting(place: Place) -> None:
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        outcome = mta.mail(b"<1.4@example.com>")
        assert (outcome.word, outcome.progress >= 2) == ("continue", True)
        mta.quit()
    assert "OCHM" in place.child.letters()


def test_what_takes_too_long_is_a_fault_of_the_milter(place: Place) -> None:
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        assert mta.mail(b"<60@example.com>").word == "tempfail"
        mta.abort()
        assert mta.mail(b"<0@example.com>").word == "continue"
        mta.quit()
    assert "60 called off\n" in place.diary.read_text()


def test_a_message_that_takes_no_time_is_not_held_up(place: Place) -> None:
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        assert mta.mail(b"<0@example.com>").progress == 0
        mta.quit()


def test_an_mta_that_goes_away_calls_the_waiting_off(place: Place) -> None:
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        mta.send_raw(frame(Command.MAIL, b"<1.25@example.com>\0"))
        mta.receive()  # PROGRESS: it waits
    wait_until(
        lambda: place.diary.exists() and "1.25 called off\n" in place.diary.read_text(), "the end of it", 10
    )
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        assert mta.mail(b"<0@example.com>").word == "continue"
        mta.quit()


def test_packets_that_come_meanwhile_are_taken_in_their_turn(place: Place) -> None:
    with FakeMta(place.endpoint) as mta:
        begin(mta)
        rcpt = frame(Command.RCPT, b"<b@example.org>\0")
        mta.send_raw(frame(Command.MAIL, b"<0.1@example.com>\0") + rcpt + rcpt)
        letters = ""
        while letters.count("c") < 3:
            letters += chr(mta.receive()[0])
        assert set(letters) <= {"c", "p"}
        mta.quit()
