"""dkimpy-milter: a configuration, a socket of systemd's, or what is built in."""

from __future__ import annotations

import pytest

from postmill.api import Platform, State
from postmill.testing.paper_machine import PROGRAM, Link
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, socket_of, unit

FILE = "/etc/dkimpy-milter/dkimpy-milter.conf"
PACKAGE: Files = {
    **unit(
        "dkimpy-milter", "Type=simple", f"ExecStart=/usr/bin/dkimpy-milter {FILE} -P /run/dkimpy-milter/x.pid"
    ),
    "/usr/bin/dkimpy-milter": PROGRAM,
    FILE: "UMask 007\n#Socket local:/run/x\n",
}

MACHINES = [
    Example(
        "dkimpy-milter",
        platform,
        PACKAGE,
        "unix:/run/dkimpy-milter/dkimpy-milter.sock",
        "built-in default of /usr/bin/dkimpy-milter",
        f"{WANTS}/dkimpy-milter.service",
    )
    for platform in (Platform.DEBIAN, Platform.REDHAT)
]


def test_its_configuration_is_stronger() -> None:
    finding = find_one("dkimpy-milter", {**DEBIAN, **PACKAGE, FILE: "Socket inet:8892@localhost # x\n"})
    assert (socket_of(finding), str(finding.source)) == ("inet:8892@localhost", f"{FILE}:1")


def test_systemd_may_open_its_socket_and_start_it_then() -> None:
    path = "/etc/systemd/system/dkimpy-milter.socket"
    files = {
        **DEBIAN,
        **PACKAGE,
        path: "[Socket]\nListenStream=/run/activated.sock\n\n[Install]\nWantedBy=sockets.target\n",
        "/etc/systemd/system/sockets.target.wants/dkimpy-milter.socket": Link(path),
    }
    del files[f"{WANTS}/dkimpy-milter.service"]
    finding = find_one("dkimpy-milter", files)
    assert (socket_of(finding), finding.state) == ("unix:/run/activated.sock", State.ENABLED)
    assert str(finding.source) == f"{path}:2"


@pytest.mark.parametrize(("mode", "order"), [("v", 360), ("s", 810), ("sv", 810)])
def test_it_stands_before_those_that_edit_when_it_only_verifies(mode: str, order: int) -> None:
    assert find_one("dkimpy-milter", {**DEBIAN, **PACKAGE, FILE: f"Mode {mode}\n"}).order == order
