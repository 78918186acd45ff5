"""The containers of these tests: what is done in one stays in it and goes with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes import command_lines
from tests.stack.container import Container
from tests.stack.debian_tree import sources, this_release

in_container = [pytest.mark.interop, pytest.mark.timeout(900)]


def traces(name: str) -> list[str]:
    """Where a name can be found on this machine: processes, mounts, control groups, files in memory."""
    lines = Path("/proc/mounts").read_text().splitlines() + command_lines()
    found = subprocess.run(
        ["find", "/sys/fs/cgroup", "/dev/shm", "/tmp", "-name", f"*{name}*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in [*lines, *found.stdout.splitlines()] if name in line]


class TestOneContainer:
    pytestmark = in_container

    def test_it_leaves_nothing_behind(self, tree: Path) -> None:
        with Container(tree) as machine:
            name = machine.directory.name
            assert machine.read("/proc/1/comm") == "systemd\n"
            machine.write("/etc/something/new", "text")
            assert machine.shell("cat /etc/something/new") == "text"
            assert traces(name)
        assert traces(name) == []
        assert not (tree / "etc/something").exists()

    def test_commands_have_an_end_and_files_a_way(self, machine: Container, tmp_path: Path) -> None:
        assert machine.run(["sleep", "600"], timeout=1, check=False).returncode == 124
        with pytest.raises(RuntimeError, match="status 3\nsaid"):
            machine.shell("echo said; exit 3")
        assert machine.run(["cat"], data="given").stdout == "given"
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_text("text")
        machine.copy(tmp_path / "folder", "/srv/copied")
        assert machine.shell("cat /srv/copied/file") == "text"
        machine.shell("echo -n line | systemd-cat -t something -p err")
        (entry,) = machine.journal("-t", "something")
        assert (entry["MESSAGE"], entry["PRIORITY"]) == ("line", "3")

    def test_two_do_not_know_of_each_other(self, machine: Container, tree: Path) -> None:
        machine.shell("systemd-run --unit=other sleep 600")
        with Container(tree) as second:
            second.shell("systemd-run --unit=other sleep 600")
            second.systemctl("stop", "other")
            assert machine.systemctl("is-active", "other") == "active"
            assert os.stat(machine.path("/")).st_dev != os.stat(second.path("/")).st_dev


@pytest.mark.parametrize("release", ["", "trixie"])
def test_packages_come_from_where_the_machine_has_them(tmp_path: Path, release: str) -> None:
    """Both forms of sources.list(5), of our release and of no other; for another one, from the same servers."""
    here = this_release()
    (tmp_path / "sources.list").write_text(
        f"# deb http://a.example/debian {here} main\ndeb-src http://a.example/debian {here} main\n"
        f"deb [arch=amd64] http://a.example/debian {here}-updates main contrib\n"
    )
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text(
        f"# a comment\nTypes: deb deb-src\n# another\nURIs: http://b.example/debian\nSuites: {here} {here}-security\n"
        "Components: main\nSigned-By: /usr/share/keyrings/some.gpg\n\n"
        f"Types: deb\nURIs: http://c.example/debian\nSuites: {here}\nComponents: main\nEnabled: no\n\n"
        "Types: deb\nURIs: https://d.example/tool\nSuites: stable\nComponents: main\n"
    )
    wanted = release or here
    assert sources(wanted, tmp_path) == [
        f"deb [arch=amd64] http://a.example/debian {wanted}-updates main contrib",
        f"deb [signed-by=/usr/share/keyrings/some.gpg] http://b.example/debian {wanted} main",
        f"deb [signed-by=/usr/share/keyrings/some.gpg] http://b.example/debian {wanted}-security main",
    ]
