"""Detection against real systemd: every milter that Debian has, from its own package, as its package starts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.mailhost import MailHost
from tests.stack import container, debian_tree
from tests.stack.container import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

#: What Debian 12 has, beside those of the tree that other stories use.
MORE = (
    *("clamav-milter", "clamav-daemon", "opendmarc", "rspamd", "amavisd-milter"),
    *("dkimpy-milter", "pyspf-milter", "mimedefang", "dbconfig-no-thanks"),
)
MILTERS = {
    "amavisd-milter": "amavisd-milter",
    "clamav-milter": "clamav-milter",
    "dkimpy-milter": "dkimpy-milter",
    "mimedefang": "mimedefang",
    "opendkim": "opendkim",
    "opendmarc": "opendmarc",
    "pyspf-milter": "pyspf-milter",
    "rspamd": "rspamd",
    "spamass-milter": "spamass-milter",
}
"""Name of the finding to that of the unit."""
LISTENS = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


@pytest.fixture(scope="module")
def machine() -> Iterator[Container]:
    """A running container with all of them."""
    if reason := container.missing():
        pytest.skip(reason)
    with Container(debian_tree.tree((*debian_tree.PACKAGES, *MORE))) as running:
        yield running


@pytest.fixture(scope="module")
def rows(machine: Container, package: Path) -> dict[str, dict[str, Any]]:
    """What is found, by name."""
    MailHost(machine).install(package)
    told = machine.run(["postmill", "detect", "--json"], check=False).stdout
    return {row["name"]: row for row in json.loads(told)["milters"]}


def test_all_are_found(rows: dict[str, dict[str, Any]]) -> None:
    assert {name: rows[name]["package"] for name in MILTERS} == dict.fromkeys(MILTERS, "installed")


@pytest.mark.parametrize("name", MILTERS)
def test_the_state_is_what_systemd_says(
    rows: dict[str, dict[str, Any]], machine: Container, name: str
) -> None:
    said = machine.run(["systemctl", "is-enabled", MILTERS[name]], check=False).stdout.split()
    assert said[-1:] == [rows[name]["state"]]


@pytest.mark.parametrize("name", MILTERS)
def test_who_runs_listens_where_it_was_found(
    rows: dict[str, dict[str, Any]], machine: Container, name: str
) -> None:
    if machine.systemctl("is-active", MILTERS[name], check=False).split()[-1] != "active":
        assert name not in ("opendkim", "opendmarc", "rspamd", "spamass-milter"), "these run as they come"
        return
    kind, _, rest = rows[name]["socket"].partition(":")
    if kind == "unix":
        machine.wait(lambda: machine.path(rest).is_socket(), rest)
    else:
        port, _, host = rest.partition("@")
        probe = ["/usr/bin/python3", "-c", LISTENS, host, port]
        machine.wait(lambda: machine.run(probe, check=False).returncode == 0, rest, 90)
