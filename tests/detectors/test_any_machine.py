"""Whatever stands in a machine's files, no detector raises, and what it finds has sense."""

from __future__ import annotations

import contextlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.api import Detector, Finding, Platform, State
from postmill.detectors import shelf
from postmill.errors import UnavailableError
from postmill.testing.paper_machine import PROGRAM, Directory, Entry, Link, PaperMachine, Text
from tests.detectors.examples import examples
from tests.detectors.machines import Example

EXAMPLES = examples()
PATHS = sorted({path for example in EXAMPLES for path in example.machine})
FRAGMENTS = sorted(
    {
        piece
        for example in EXAMPLES
        for entry in example.files.values()
        if isinstance(entry, str | Text)
        for piece in re.findall(r"\s+|[\w.]+|.", entry if isinstance(entry, str) else entry.text)
    }
)
GARBAGE = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join),
    st.text(st.sampled_from("\n \t\\\"'`$(){}[];&|<>=#%:,*?!-@~/ax1"), max_size=60),
)
ENTRIES = st.one_of(
    GARBAGE,
    GARBAGE.map(lambda text: Text(text, mode=0o755)),
    st.just(PROGRAM),
    st.sampled_from(PATHS).map(Link),
)


def look(one: Detector, files: dict[str, Entry], platform: Platform) -> None:
    """Let a detector look, without the net that catches what it raises."""
    with contextlib.suppress(UnavailableError):  # a file that nobody may read: the one thing it may say so
        for finding in one.ask(PaperMachine(files), platform):
            check(finding)


def check(finding: Finding) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", finding.name)
    texts = (finding.problem, finding.description, str(finding.source), *finding.notes)
    assert all(text.isprintable() for text in texts)
    if finding.usable:
        assert finding.socket is not None
        assert finding.installed
        assert finding.state is State.ENABLED
        assert str(finding.source)


@given(st.data())
@settings(max_examples=400)
def test_a_broken_file(data: st.DataObject) -> None:
    """One file of a working machine is cut, garbled or replaced."""
    example = data.draw(st.sampled_from(EXAMPLES))
    texts = sorted(
        path for path, one in example.files.items() if isinstance(one, str | Text) and one is not PROGRAM
    )
    path = data.draw(st.sampled_from(texts))
    entry = example.files[path]
    text = entry if isinstance(entry, str) else entry.text  # type: ignore[union-attr]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    broken = text[:start] + data.draw(GARBAGE) + text[end:]
    look(shelf()[example.name], {**example.machine, path: Text(broken, mode=0o755)}, example.platform)


@given(st.sampled_from(EXAMPLES), st.dictionaries(st.sampled_from(PATHS), ENTRIES, max_size=12))
@settings(max_examples=60)
def test_any_files(example: Example, files: dict[str, Entry]) -> None:
    """Files of other milters and platforms appear, with anything in them; links lead anywhere."""
    machine = {**example.machine, **files}
    for path in sorted(machine):
        below = [other for other in machine if other.startswith(f"{path}/")]
        if below:  # a directory, whatever it was to be
            machine[path] = Directory()
    for one in shelf().values():
        look(one, machine, example.platform)


@settings(max_examples=60)
@given(st.sampled_from(list(Platform)), st.dictionaries(st.sampled_from(PATHS), GARBAGE, max_size=6))
def test_any_platform(platform: Platform, files: dict[str, str]) -> None:
    flat = {path: text for path, text in files.items() if not any(o.startswith(f"{path}/") for o in files)}
    for one in shelf().values():
        look(one, dict(flat), platform)
