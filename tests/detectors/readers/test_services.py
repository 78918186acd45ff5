"""Which of several ways to start a program is the one that counts."""

from __future__ import annotations

import pytest

from postmill.api import Platform, State
from postmill.detectors.readers.services import find_service, launch
from postmill.testing.paper_machine import PROGRAM, Entry, Link, PaperMachine
from tests.detectors.machines import DEBIAN, SYSVINIT, WANTS, init_script, unit

START = "start() { start-stop-daemon --exec /usr/sbin/x -- -p /run/script; }"
BOTH: dict[str, Entry] = {**unit("x", "ExecStart=/usr/sbin/x -p /run/unit"), **init_script("x", START)}


def started(files: dict[str, Entry], platform: Platform = Platform.DEBIAN) -> tuple[str, State, list[str]]:
    service = find_service(PaperMachine(files), platform, ["x"])
    assert service is not None
    found = launch(service, ["x"])
    return service.name, service.state, [word.text for word in found[1]] if found else []


def test_a_unit_is_stronger_than_a_script() -> None:
    assert started({**DEBIAN, **BOTH}) == ("x.service", State.ENABLED, ["-p", "/run/unit"])


def test_so_is_its_being_disabled_whatever_the_links_of_run_levels_say() -> None:
    files = {path: one for path, one in {**DEBIAN, **BOTH}.items() if not path.startswith(WANTS)}
    assert started(files)[:2] == ("x.service", State.DISABLED)


def test_without_systemd_the_unit_does_not_matter() -> None:
    assert started({**SYSVINIT, **BOTH}) == ("/etc/init.d/x", State.ENABLED, ["-p", "/run/script"])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/sbin/init": Link("/lib/sysvinit/init")}, "/etc/init.d/x"),
        ({"/sbin/init": Link("/usr/lib/systemd/systemd")}, "x.service"),
        ({}, "x.service"),  # a tree without an init: its units say what it is
        ({"/sbin/init": PROGRAM}, "/etc/init.d/x"),
        (
            {"/sbin/init": PROGRAM, "/run/systemd/system/x": ""},
            "x.service",
        ),  # it runs, whatever /sbin/init is
    ],
)
def test_which_init_is_in_charge(files: dict[str, Entry], expected: str) -> None:
    assert started({**BOTH, **files})[0] == expected


def test_the_run_level_of_inittab_counts() -> None:
    script: dict[str, Entry] = {
        **SYSVINIT,
        "/etc/init.d/x": START + '\n[ "$1" = start ] && start\n',
        "/etc/rc3.d/S20x": Link("../init.d/x"),
    }
    assert started(script)[1] is State.DISABLED
    assert started({**script, "/etc/inittab": "#\nid:3:initdefault:\n"})[1] is State.ENABLED


def test_names_that_only_end_alike_are_others() -> None:
    files: dict[str, Entry] = {
        **SYSVINIT,
        "/etc/init.d/x": START,
        "/etc/rc2.d/S01not-x": Link("../init.d/not-x"),
    }
    assert started(files)[1] is State.DISABLED


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("start-stop-daemon --start --name x --exec /usr/sbin/x --test -- -a b", ["-a", "b"]),
        ("start-stop-daemon --start --exec /usr/sbin/x /etc/x.conf", ["/etc/x.conf"]),
        ("daemon --pidfile /run/x.pid /usr/sbin/x -a b", ["-a", "b"]),
        ("daemon --user x x -a", None),
        ("/usr/bin/env A=1 /usr/sbin/x -a", ["-a"]),
        ("x -a", ["-a"]),
        ("nice -n 5 /opt/y -a", None),
    ],
)
def test_a_program_is_seen_behind_what_starts_it(command: str, arguments: list[str] | None) -> None:
    files: dict[str, Entry] = {**SYSVINIT, "/etc/init.d/x": f"{command}\n"}
    assert started(files)[2] == (arguments or [])
