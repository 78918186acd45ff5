"""What holds for every detector on the shelf, present and future.

Each has its test module here, of its name, with ``MACHINES``: at least one machine for each platform it says it
knows, on which its milter is found and can be used.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import postmill.conditions
import postmill.detectors
from postmill.api import Detector, Finding, Platform, State, detector
from postmill.api.shelf import collect
from postmill.detectors import detect, shelf
from postmill.testing.paper_machine import PROGRAM, Entry, Link, PaperMachine, Text
from tests.detectors.examples import examples, label, module_of
from tests.detectors.machines import Example

EXAMPLES = examples()
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=label)
each_detector = pytest.mark.parametrize("one", shelf().values(), ids=lambda one: one.name)
PROMISED = {
    *(
        "milter-greylist",
        "clamav-milter",
        "spamass-milter",
        "opendkim",
        "opendmarc",
        "openarc",
        "dkimpy-milter",
    ),
    *(
        "pyspf-milter",
        "rspamd",
        "amavisd-milter",
        "enma",
        "milter-regex",
        "mimedefang",
        "sid-milter",
        "spfmilter",
    ),
    "authentication_milter",
}
FAMILIES = {
    ("sendmail-compatible", "stress-notify", "trust", "remote-network", "s25r", "unauthenticated"): {
        "milter-greylist"
    },
    ("remote-network", "unauthenticated", "no-stress"): {
        *("spamass-milter", "rspamd", "enma", "spfmilter", "pyspf-milter", "sid-milter", "milter-regex")
    },
}


def found(example: Example, files: dict[str, Entry]) -> Finding | None:
    detection = detect(PaperMachine(files), example.platform)
    return next((one for one in detection.findings if one.name == example.name), None)


def without(example: Example) -> Iterator[dict[str, Entry]]:
    """The machine without what enables the milter: its links, or the line of rc.conf."""
    shape = re.compile(re.escape(example.enabled_by).replace(r"\?", "."))
    links = {path for path, one in example.machine.items() if isinstance(one, Link) and shape.match(path)}
    if links:
        yield {path: one for path, one in example.machine.items() if path not in links}
    if isinstance(rc_conf := example.machine.get(example.enabled_by), str):
        yield {**example.machine, example.enabled_by: re.sub("(?i)yes", "NO", rc_conf)}


def test_what_was_promised_is_there() -> None:
    assert set(shelf()) >= PROMISED


def test_every_file_on_the_shelf_holds_one_detector_of_its_name() -> None:
    files = {module.name for module in pkgutil.iter_modules(postmill.detectors.__path__) if not module.ispkg}
    assert {module_of(name) for name in shelf()} == files


@each_detector
class TestEach:
    def test_says_in_its_docstring_what_the_milter_does(self, one: Detector) -> None:
        assert re.fullmatch(r"[\w' -]+: .+\.", one.doc), "Name: what it does."

    def test_names_conditions_that_there_are(self, one: Detector) -> None:
        assert set(one.when) <= set(postmill.conditions.shelf())

    def test_has_an_example_for_its_platforms(self, one: Detector) -> None:
        shown = {example.platform for example in EXAMPLES if example.name == one.name}
        assert shown
        assert shown <= set(one.platforms)

    def test_knows_no_other_detector_and_no_file_but_through_its_host(self, one: Detector) -> None:
        file = inspect.getsourcefile(one.look)
        assert file is not None
        imported = {
            node.module or ""
            for node in ast.walk(ast.parse(Path(file).read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        allowed = ("postmill.api", "postmill.errors", "postmill.detectors.readers.")
        assert [
            name for name in imported if name.startswith("postmill") and not name.startswith(allowed)
        ] == []

    def test_an_empty_machine_has_nothing(self, one: Detector) -> None:
        for platform in Platform:
            assert one.find(PaperMachine({}), platform) == ()


@each_example
class TestEachExample:
    def test_is_found_and_can_be_used(self, example: Example) -> None:
        finding = found(example, dict(example.machine))
        assert finding is not None
        assert (str(finding.socket), str(finding.source)) == (example.socket, example.source)
        assert (finding.installed, finding.state, finding.problem) == (True, State.ENABLED, "")
        assert finding.when == shelf()[example.name].when

    def test_its_platform_is_told_by_its_files(self, example: Example) -> None:
        assert detect(PaperMachine(example.machine)).platform is example.platform

    def test_is_disabled_without_what_enables_it(self, example: Example) -> None:
        machines = list(without(example))
        assert machines
        for files in machines:
            assert files != example.machine
            finding = found(example, files)
            assert finding is not None
            assert (finding.state, finding.usable) == (State.DISABLED, False)
            assert finding.problem.startswith("disabled: ")
            assert str(finding.socket) == example.socket, "what it would be is told all the same"

    def test_is_removed_without_its_program(self, example: Example) -> None:
        programs = {path for path, one in example.files.items() if one is PROGRAM}
        assert len(programs) >= 1
        finding = found(example, {p: e for p, e in example.machine.items() if p not in programs})
        assert finding is not None
        assert (finding.installed, finding.usable) == (False, False)
        assert finding.problem.startswith("removed: ")

    def test_a_program_alone_is_installed_and_not_started(self, example: Example) -> None:
        programs = {path: one for path, one in example.files.items() if one is PROGRAM}
        base = {path: one for path, one in example.machine.items() if path not in example.files}
        finding = found(example, {**base, **programs})
        assert finding is not None
        assert (finding.installed, finding.state) == (True, State.DISABLED)
        assert finding.problem == "disabled: no unit and no script starts it"

    def test_a_file_that_may_not_be_read_is_never_taken_for_an_absent_one(self, example: Example) -> None:
        """It is used as before, where that file said nothing about it, or it is not known whether it runs."""
        before = found(example, dict(example.machine))
        for path, one in example.files.items():
            if isinstance(one, str) or (isinstance(one, Text) and one is not PROGRAM and one.mode & 0o044):
                text = one if isinstance(one, str) else one.text
                secret = Text(text, mode=0o600 if isinstance(one, str) else one.mode & 0o700)
                after = found(example, {**example.machine, path: secret})
                assert after is not None
                assert after == before or after.state is State.UNKNOWN


def test_conditions_are_those_that_were_agreed_upon() -> None:
    agreed = {name: when for when, names in FAMILIES.items() for name in names}
    assert {name: one.when for name, one in shelf().items() if one.when} == agreed


def test_the_order_is_one_that_works() -> None:
    order = {name: one.order for name, one in shelf().items()}
    assert min(order, key=order.__getitem__) == "milter-greylist"
    assert max(order, key=order.__getitem__) == "openarc", "what seals stands behind all"
    for dmarc in ("opendmarc",):
        for before in (
            "spfmilter",
            "pyspf-milter",
            "sid-milter",
            "enma",
            "authentication_milter",
            "opendkim",
        ):
            assert order[before] < order[dmarc], "DMARC reads what they note"
        assert order["dkimpy-milter"] < order[dmarc]
    for tagging in ("clamav-milter", "spamass-milter", "amavisd-milter", "mimedefang", "rspamd"):
        for signing in ("opendkim", "dkimpy-milter"):
            assert order[tagging] < order[signing], "what is signed must not change any more"
    assert len(set(order.values())) == len(order), "no two in one place"


def test_a_detector_that_fails_takes_nobody_with_it() -> None:
    @detector("broken", order=1)
    def broken(_host: object, _platform: Platform) -> list[Finding]:
        """Broken: fails."""
        raise KeyError("x")

    (finding,) = broken.find(PaperMachine({}), Platform.DEBIAN)
    assert (finding.state, finding.usable) == (State.UNKNOWN, False)
    assert finding.problem == "its detector failed, please report it: KeyError: 'x'"


def test_a_detector_is_not_asked_about_other_platforms() -> None:
    @detector("elsewhere", order=1, platforms=(Platform.FREEBSD,))
    def elsewhere(_host: object, _platform: Platform) -> list[Finding]:
        """Elsewhere: is there."""
        return [Finding("elsewhere", True, State.ENABLED)]

    assert elsewhere.find(PaperMachine({}), Platform.DEBIAN) == ()
    assert len(elsewhere.find(PaperMachine({}), Platform.FREEBSD)) == 1


@pytest.mark.parametrize("name", ["", "Upper", "two words", "-x", "x-"])
def test_a_wrong_name_is_named(name: str) -> None:
    with pytest.raises(TypeError, match="is no name for a milter"):
        detector(name, order=1)


def test_two_of_one_name_are_refused() -> None:
    module = type(postmill)("another")
    module.one = dataclasses.replace(shelf()["opendkim"], order=1)  # type: ignore[attr-defined]
    other = type(postmill)("other")
    other.one = shelf()["opendkim"]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="another has another detector named opendkim"):
        collect([other, module], Detector)
