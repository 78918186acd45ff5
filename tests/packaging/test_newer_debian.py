"""The package on the next Debian: a systemd that reloads by itself (Type=notify-reload), newer Python and libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import PYTHON_PACKAGES
from tests.packaging.mailhost import CONFIG
from tests.stack import container, debian_tree
from tests.stack.container import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

RELEASE = "trixie"
PACKAGES = ("systemd", "systemd-sysv", "init-system-helpers", *PYTHON_PACKAGES)


@pytest.fixture(scope="module")
def machine(newer: Path) -> Iterator[Container]:
    """A container of that release, with the package installed."""
    if reason := container.missing():
        pytest.skip(reason)
    with Container(debian_tree.tree(PACKAGES, RELEASE, hooks=())) as running:
        running.copy(newer, "/srv/postmill.deb")
        running.run(["dpkg", "-i", "/srv/postmill.deb"], timeout=100)
        yield running


def test_it_serves(machine: Container) -> None:
    assert machine.systemctl("is-active", "postmill.service") == "active"
    assert machine.show("postmill.service", "Type") == "notify-reload"
    done = machine.run(["systemd-analyze", "verify", "--man=no", "postmill.service", "postmill.socket"])
    assert done.stdout + done.stderr == ""


def test_a_reload_is_over_when_systemctl_returns(machine: Container) -> None:
    shipped = machine.read(CONFIG)
    machine.write(CONFIG, f'{shipped}\n[milters.one]\nsocket = "unix:/run/one"\n')
    machine.systemctl("reload", "postmill")
    assert machine.show("postmill.service", "SubState") == "running"
    assert machine.show("postmill.service", "StatusText").endswith("; one")
    machine.write(CONFIG, f'{shipped}\n[milters.one]\nsockets = "unix:/run/one"\n')
    with pytest.raises(RuntimeError, match=r"Job for postmill\.service failed"):
        machine.systemctl("reload", "postmill")
    machine.wait(
        lambda: machine.show("postmill.service", "SubState") == "running", "the end of the reload", 30
    )
    assert machine.show("postmill.service", "StatusText").startswith(f"reload refused: {CONFIG}:")
    machine.write(CONFIG, shipped)
    machine.systemctl("reload", "postmill")
    assert machine.show("postmill.service", "StatusText").endswith("; no milters")
