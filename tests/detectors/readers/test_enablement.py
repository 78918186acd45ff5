"""Whether a unit is started, by its links; with systemctl itself as the judge where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from postmill.api import State
from postmill.daemon.machine import Machine
from postmill.detectors.readers.systemd.enablement import unit_state
from postmill.detectors.readers.systemd.units import load_unit
from postmill.testing.paper_machine import Entry, Link, PaperMachine

LIB, ETC = "/usr/lib/systemd/system", "/etc/systemd/system"
UNIT = "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n"
NATIVE: dict[str, Entry] = {f"{LIB}/x.service": UNIT}


def state(files: dict[str, Entry]) -> tuple[State, str]:
    host = PaperMachine(files)
    unit = load_unit(host, "x.service")
    assert unit is not None
    found = unit_state(host, unit)
    return found.state, found.because


@pytest.mark.parametrize(
    "link",
    [
        f"{ETC}/multi-user.target.wants",
        f"{ETC}/mail.target.requires",
        f"{LIB}/multi-user.target.wants",
        "/run/systemd/system/multi-user.target.wants",
        f"{ETC}/multi-user.target.upholds",
    ],
)
def test_any_link_that_pulls_it_in_enables_it(link: str) -> None:
    path = f"{link}/x.service"
    assert state({**NATIVE, path: Link(f"{LIB}/x.service")}) == (State.ENABLED, f"enabled: {path}")


def test_a_service_that_is_not_started_itself_pulls_nothing_in() -> None:
    wants: dict[str, Entry] = {
        **NATIVE,
        f"{LIB}/postfix.service": UNIT,
        f"{ETC}/postfix.service.wants/x.service": Link(f"{LIB}/x.service"),
    }
    assert state(wants)[0] is State.DISABLED
    wants[f"{ETC}/multi-user.target.wants/postfix.service"] = Link(f"{LIB}/postfix.service")
    assert state(wants)[0] is State.ENABLED
    wants[f"{ETC}/postfix.service"] = Link("/dev/null")
    assert state(wants)[0] is State.DISABLED


def test_units_that_want_each_other_do_not_start_each_other() -> None:
    wants: dict[str, Entry] = {
        **NATIVE,
        f"{LIB}/y.service": UNIT,
        f"{ETC}/y.service.wants/x.service": Link(f"{LIB}/x.service"),
        f"{ETC}/x.service.wants/y.service": Link(f"{LIB}/y.service"),
    }
    assert state(wants)[0] is State.DISABLED


def test_what_packaging_remembers_says_nothing() -> None:
    memory = "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/x.service"
    preset = "/usr/lib/systemd/system-preset/90-x.preset"
    assert state({**NATIVE, memory: "", preset: "enable x.service\n"})[0] is State.DISABLED


def test_why_it_is_not_started() -> None:
    assert state(NATIVE)[1] == "disabled: no .wants directory has x.service (systemctl enable x.service)"
    static: dict[str, Entry] = {f"{LIB}/x.service": "[Service]\nExecStart=/x\n"}
    assert state(static) == (
        State.DISABLED,
        f"static: {LIB}/x.service has no [Install], and nothing wants it",
    )
    assert state({**NATIVE, f"{ETC}/x.service": ""})[1] == (
        f"masked: {ETC}/x.service is empty (systemctl unmask x.service)"
    )


@pytest.mark.interop
class TestWithSystemctl:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        if shutil.which("systemctl") is None:
            if os.environ.get("POSTMILL_REQUIRE_PEERS"):
                pytest.fail("no systemctl (run tests/stack/install.sh)")
            pytest.skip("no systemctl (run tests/stack/install.sh)")
        units = tmp_path / LIB[1:]
        units.mkdir(parents=True)
        (units / "x.service").write_text(UNIT)
        (units / "x.socket").write_text("[Socket]\nListenStream=/run/x\n[Install]\nWantedBy=sockets.target\n")
        return tmp_path

    def systemctl(self, root: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["systemctl", f"--root={root}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout.strip()

    def agrees(self, root: Path, name: str = "x.service") -> State:
        """What we say, which must be what systemctl says."""
        host = Machine(str(root))
        unit = load_unit(host, name)
        assert unit is not None
        found = unit_state(host, unit).state
        assert self.systemctl(root, "is-enabled", name) == found.value
        return found

    def test_each_step_is_seen(self, root: Path) -> None:
        assert self.agrees(root) is State.DISABLED
        for verb, expected in (
            ("enable", State.ENABLED),
            ("disable", State.DISABLED),
            ("mask", State.MASKED),
            ("unmask", State.DISABLED),
            ("enable", State.ENABLED),
        ):
            self.systemctl(root, verb, "x.service")
            assert self.agrees(root) is expected, verb

    def test_sockets_are_units_too(self, root: Path) -> None:
        self.systemctl(root, "enable", "x.socket")
        assert self.agrees(root, "x.socket") is State.ENABLED
        assert self.agrees(root) is State.DISABLED

    def test_enabled_until_the_next_start_only(self, root: Path) -> None:
        self.systemctl(root, "enable", "--runtime", "x.service")
        assert self.systemctl(root, "is-enabled", "x.service") == "enabled-runtime"
        unit = load_unit(Machine(str(root)), "x.service")
        assert unit is not None
        assert unit_state(Machine(str(root)), unit).state is State.ENABLED
