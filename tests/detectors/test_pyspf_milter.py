"""pyspf-milter: ``Socket = …`` in the file that its command line names."""

from __future__ import annotations

import pytest

from postmill.api import Platform
from postmill.testing.paper_machine import PROGRAM
from tests.detectors.machines import DEBIAN, WANTS, Example, Files, find_one, socket_of, unit

FILE = "/etc/pyspf-milter/pyspf-milter.conf"
PACKAGE: Files = {
    **unit("pyspf-milter", f"ExecStart=/usr/bin/pyspf-milter {FILE}"),
    "/usr/bin/pyspf-milter": PROGRAM,
    FILE: "debugLevel = 1\n#Socket = local:/run/x.sock\nSocket = inet:8893@localhost\n",
}

MACHINES = [
    Example(
        "pyspf-milter",
        platform,
        PACKAGE,
        "inet:8893@localhost",
        f"{FILE}:3",
        f"{WANTS}/pyspf-milter.service",
    )
    for platform in (Platform.DEBIAN, Platform.REDHAT)
]


@pytest.mark.parametrize(
    ("conf", "socket"),
    [
        ("", "unix:/run/pyspf-milter/pyspf-milter.sock"),
        ("Socket=local:/run/pyspf.sock\n", "unix:/run/pyspf.sock"),
    ],
)
def test_its_configuration_is_read_as_it_reads_it(conf: str, socket: str) -> None:
    assert socket_of(find_one("pyspf-milter", {**DEBIAN, **PACKAGE, FILE: conf})) == socket
