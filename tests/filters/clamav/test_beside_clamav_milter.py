"""``clamav`` beside the real clamav-milter, both before one real clamd: the same verdicts, equivalent headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.daemon.running import Daemon
from tests.filters.beside import Outcome, a_box, messages, play, started
from tests.filters.serving import serving
from tests.interop.postfix import wait_until
from tests.stack import peers
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Pair:
    """The real one and ours, with the same configuration file."""

    directory: Path
    clamd: Clamd
    theirs: ClamavMilter


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both, before one clamd."""
    peers.require()
    with a_box("clamav-beside-") as box:
        clamd = Clamd(box.directory.parent, box)
        theirs = ClamavMilter(box.directory.parent, box, clamd)
        with started(clamd, theirs):
            yield Pair(box.directory.parent, clamd, theirs)


def equivalent(outcome: Outcome) -> Outcome:
    """Whose headers they are, and that host's name, is of no importance."""
    added = tuple((name, re.sub(r"^.* at .*$", "by at", value)) for name, value in outcome.added)
    return replace(outcome, added=added)


@pytest.mark.parametrize("on_infected", ["Reject", "Quarantine", "Blackhole", "Accept", "Defer"])
def test_the_same_messages_give_the_same_verdicts(on_infected: str, pair: Pair) -> None:
    pair.theirs.change(on_infected)
    file = str(pair.theirs.directory / "clamav-milter.conf")
    found = 0
    with serving(pair.directory, "clamav", {"file": file}) as ours:
        for name, raw in messages().items():
            theirs = equivalent(play(pair.theirs.endpoint, raw))
            assert equivalent(play(ours, raw)) == theirs, name
            found += "virus" in name
            infected = theirs.status != "accept" or any("Infected" in value for _, value in theirs.added)
            assert infected == ("virus" in name), name
    assert found == 5


def without_words(outcome: Outcome) -> Outcome:
    """``on_error`` says 5.5.0 Service unavailable as Postfix does, a milter that rejects 5.7.1."""
    return replace(outcome, reply=outcome.reply[:3])


class Manager(Daemon):
    """A whole Postmill with the filter, for what it makes of one that failed."""

    def __init__(self, file: Path, more: str = "") -> None:
        super().__init__()
        self._filter = (
            f'[[filter]]\nuse = "clamav"\n{more}\nsettings = {{ file = "{file}", patience = "0s" }}\n'
        )

    def write(self) -> None:
        """Write the configuration."""
        super().write()
        with self.config.open("a") as file:
            file.write(self._filter)


@pytest.mark.parametrize("on_fail", ["Defer", "Reject", "Accept"])
def test_without_a_clamd_mail_fares_as_the_file_says(on_fail: str, pair: Pair) -> None:
    pair.theirs.change("Reject", on_fail)
    file = pair.theirs.directory / "clamav-milter.conf"
    pair.clamd.kill()
    try:
        with Manager(file) as ours, Manager(file, 'on_error = "discard"') as told:
            for name in ("ham", "virus as text"):
                theirs = play(pair.theirs.endpoint, messages()[name])
                assert without_words(play(ours.endpoint, messages()[name])) == without_words(theirs), name
                assert play(told.endpoint, messages()[name]).status == "discard"
                wanted = {"Defer": "temporary-failure", "Reject": "reject", "Accept": "accept"}[on_fail]
                assert theirs.status == wanted
    finally:
        pair.clamd.launch()
        wait_until(pair.clamd.up, "clamd does not answer")


def test_a_clamd_that_is_restarted_is_waited_for(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.clamd.socket}"], "patience": "20s", "add_header": "add"}
    with serving(pair.directory, "clamav", settings) as ours:
        pair.clamd.kill()
        pair.clamd.launch()
        assert play(ours, messages()["virus attached"]).status == "reject"
        wait_until(pair.clamd.up, "clamd does not answer")
        assert ("X-Virus-Status", "Clean") in play(ours, messages()["ham"]).added


def test_of_two_the_one_that_is_there_is_asked(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.directory}/nobody.sock", f"unix:{pair.clamd.socket}"]}
    with serving(pair.directory, "clamav", settings) as ours:
        assert (
            play(ours, messages()["virus as text"]).reply
            == "550 5.7.1 Virus Eicar-Test-Signature.UNOFFICIAL found"
        )
