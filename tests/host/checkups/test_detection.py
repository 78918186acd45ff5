"""What the machine starts, compared with what is asked."""

from __future__ import annotations

import pytest

from postmill.api.host import Finding, State
from postmill.errors import UnavailableError
from postmill.host.checkups import detection
from postmill.host.diagnosis import Level
from postmill.wire.endpoint import Endpoint
from tests.host.checkups.patients import TWO, patient

KNOWN = Endpoint("unix", "/run/opendkim/opendkim.sock")
OTHER = Endpoint("unix", "/run/clamav/clamav-milter.ctl")


@pytest.mark.parametrize(
    ("finding", "level", "text"),
    [
        (Finding("opendkim", True, State.ENABLED, KNOWN), None, ""),
        (Finding("opendkim", True, State.UNKNOWN, KNOWN, problem="?"), None, ""),
        (
            Finding("opendkim", True, State.DISABLED, KNOWN, problem="off"),
            Level.WARNING,
            "by itself: disabled",
        ),
        (Finding("opendkim", True, State.MASKED, KNOWN, problem="off"), Level.WARNING, "by itself: masked"),
        (
            Finding("opendkim", False, State.DISABLED, KNOWN, problem="gone"),
            Level.WARNING,
            "package is removed",
        ),
        (Finding("clamav-milter", True, State.ENABLED, OTHER), Level.NOTE, "but Postmill does not ask it"),
        (Finding("clamav-milter", True, State.DISABLED, OTHER, problem="off"), None, ""),
        (Finding("clamav-milter", True, State.ENABLED, None), None, ""),
    ],
)
def test_each_finding(finding: Finding, level: Level | None, text: str) -> None:
    found = [*detection.check(patient(TWO, detect=lambda: (finding,)))]
    assert [one.level for one in found] == ([] if level is None else [level])
    assert all(text in one.text for one in found)


def test_a_milter_that_is_off_need_not_be_started() -> None:
    finding = Finding("opendkim", True, State.DISABLED, KNOWN, problem="off")
    text = TWO.replace('opendkim.sock"', 'opendkim.sock"\nmode = "off"')
    assert [*detection.check(patient(text, detect=lambda: (finding,)))] == []


def test_an_unknown_machine() -> None:
    def unknown() -> tuple[Finding, ...]:
        raise UnavailableError("this machine is none of the platforms")

    (found,) = detection.check(patient(TWO, detect=unknown))
    assert (found.level, "none of the platforms" in found.text) == (Level.OK, True)
