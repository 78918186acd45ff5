"""Postfix that comes after Postmill, or in the same run of apt: the socket for it is opened without anybody's help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.mailhost import SOCKET
from tests.stack.container import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

POSTFIX = "/var/cache/packages/postfix_*.deb"
POSTMILL = "/srv/postmill.deb"


@pytest.fixture(scope="module", autouse=True)
def delivered(machine: Container, package: Path) -> None:
    """Have the package at hand."""
    machine.copy(package, POSTMILL)


@pytest.fixture(autouse=True)
def without_postfix(machine: Container) -> None:
    machine.shell(
        "dpkg --purge postmill postfix && ! test -e /var/spool/postfix && ! getent group postfix", timeout=100
    )


def listens(machine: Container, path: str) -> bool:
    return (
        machine.run(
            ["/usr/bin/python3", "-c", f"import socket; socket.socket(1).connect({path!r})"], check=False
        ).returncode
        == 0
    )


def assert_it_serves_postfix(machine: Container) -> None:
    for unit in ("postmill.socket", "postmill.service"):
        assert machine.systemctl("is-active", unit) == "active"
    assert machine.show("postmill.service", "StatusText").startswith(f"unix:{SOCKET}; ")
    owner = machine.shell(f"stat -c '%U %G %a' {SOCKET}").strip()
    assert owner == "root postfix 660"


def test_without_postfix_it_listens_where_the_configuration_says(machine: Container) -> None:
    machine.shell(f"dpkg -i {POSTMILL}", timeout=100)
    assert machine.systemctl("is-active", "postmill.service") == "active"
    assert machine.systemctl("is-active", "postmill.socket", check=False) == "inactive"
    assert "postmill" not in machine.systemctl("--failed", "--quiet")
    assert listens(machine, "/run/postmill/postmill.sock")
    assert not machine.path("/var/spool/postfix").exists()
    machine.shell(f"dpkg -i {POSTFIX}", timeout=100)
    assert_it_serves_postfix(machine)
    assert not machine.path("/run/postmill/postmill.sock").exists()
    pid = machine.show("postmill.service", "MainPID")
    machine.shell(f"dpkg -i {POSTFIX}", timeout=100)
    assert machine.show("postmill.service", "MainPID") == pid, "nothing to do the second time"


def test_unpacked_before_and_configured_after(machine: Container) -> None:
    """The worst order that one run of apt may choose."""
    machine.shell(
        f"dpkg --unpack {POSTFIX} && dpkg --no-triggers --unpack {POSTMILL} && dpkg --no-triggers --configure postmill",
        timeout=100,
    )
    assert machine.systemctl("is-active", "postmill.socket", check=False) == "failed"
    machine.shell("dpkg --configure --pending", timeout=100)
    assert_it_serves_postfix(machine)
