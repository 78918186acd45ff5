"""``clamav`` beside the real clamav-milter, both before one real clamd, with what side_by_side leaves out.

That is what becomes of a virus when it is not refused, and a clamd that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.filters.beside import a_box, play, started
from tests.filters.serving import serving
from tests.filters.side_by_side.corpus import letters
from tests.filters.side_by_side.reading import without_scanner
from tests.filters.side_by_side.stand import ask
from tests.interop.postfix import wait_until
from tests.stack import peers
from tests.stack.clamav_milter import ClamavMilter
from tests.stack.clamd import Clamd
from tests.stack.messages import attached, eicar, message

pytestmark = pytest.mark.interop
HELD = {"quarantine virus Eicar-Test-Signature.UNOFFICIAL": "quarantine quarantined by clamav-milter"}
"""The reason that we give, and theirs, which does not name the virus."""
VIRUS = attached("Attached", eicar().encode(), "eicar.com")


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


@pytest.mark.parametrize(
    ("on_infected", "status"),
    [
        ("Quarantine", "quarantine"),
        ("Blackhole", "discard"),
        ("Accept", "accept"),
        ("Defer", "temporary-failure"),
    ],
)
def test_a_virus_that_is_not_refused(on_infected: str, status: str, pair: Pair) -> None:
    pair.theirs.change(on_infected)
    file = str(pair.theirs.directory / "clamav-milter.conf")
    different = set()
    with serving(pair.directory, "clamav", {"file": file}) as ours:
        for letter in letters():
            theirs = ask(pair.theirs.endpoint, letter)
            if [HELD.get(line, line) for line in without_scanner(ask(ours, letter))] != without_scanner(
                theirs
            ):
                different.add(letter.name)
            assert theirs.status == (status if "EICAR" in letter.name else "accept"), letter.name
    assert different == {"no headers, no body"}  # theirs adds no header


def test_a_clamd_that_is_restarted_is_waited_for(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.clamd.socket}"], "patience": "20s", "add_header": "add"}
    with serving(pair.directory, "clamav", settings) as ours:
        pair.clamd.kill()
        pair.clamd.launch()
        assert play(ours, VIRUS).status == "reject"
        wait_until(pair.clamd.up, "clamd does not answer")
        assert ("X-Virus-Status", "Clean") in play(ours, message("Lunch").as_bytes()).added


def test_of_two_the_one_that_is_there_is_asked(pair: Pair) -> None:
    settings = {"clamd": [f"unix:{pair.directory}/nobody.sock", f"unix:{pair.clamd.socket}"]}
    with serving(pair.directory, "clamav", settings) as ours:
        assert play(ours, VIRUS).reply == "550 5.7.1 Virus Eicar-Test-Signature.UNOFFICIAL found"
