"""``postmill detect`` as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from postmill.testing.paper_machine import Link, Text
from tests.detectors.examples import whole_machine
from tests.testing.test_paper_machine import on_disk

MACHINE = whole_machine()
PAGE = Path(__file__).parents[2] / "docs" / "detection.md"


def postmill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postmill", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", **environment},
        timeout=60,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    on_disk(tmp_path, MACHINE)
    return tmp_path


def test_a_table_for_people(root: Path) -> None:
    done = postmill("detect", "--root", str(root))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"# postmill detect\n{done.stdout}" in PAGE.read_text()


def test_json_for_programs(root: Path) -> None:
    (root / "usr/sbin/opendkim").unlink()
    found = json.loads(postmill("detect", "--root", str(root), "--json").stdout)
    assert found["platform"] == "debian"
    by_name = {one["name"]: one for one in found["milters"]}
    assert list(by_name) == ["milter-greylist", "spamass-milter", "opendkim", "opendmarc"]
    assert by_name["opendkim"] == {
        "name": "opendkim",
        "usable": False,
        "package": "removed",
        "state": "enabled",
        "socket": "unix:/run/opendkim/opendkim.sock",
        "source": {"file": "/etc/opendkim.conf", "line": 3, "words": ""},
        "when": [],
        "order": 800,
        "settings": {},
        "description": "The opendkim",
        "problem": "removed: /usr/sbin/opendkim is not there, but "
        "/usr/lib/systemd/system/opendkim.service still is",
        "notes": [],
    }


def test_a_removed_package_is_shown_as_removed(root: Path) -> None:
    (root / "usr/sbin/opendkim").unlink()
    assert "800    opendkim         removed  " in postmill("detect", "--root", str(root)).stdout


def test_the_platform_can_be_named(root: Path) -> None:
    (root / "etc/os-release").write_text("ID=arch\n")
    done = postmill("detect", "--root", str(root))
    assert done.returncode == 69
    assert done.stderr.startswith("postmill: error: this machine (arch) is none of the platforms")
    assert "--platform" in done.stderr
    done = postmill("detect", "--root", str(root), "--platform", "debian")
    assert done.stdout.endswith("debian: 3 of 4 can be used.\n")
    done = postmill("detect", "--root", str(root), "--platform", "freebsd")
    assert done.stdout == "No milter that Postmill knows is installed here (freebsd).\n"


@pytest.mark.parametrize("arguments", [("--platform", "arch"), ("--root", "/nonexistent"), ("--x",)])
def test_what_it_does_not_take(arguments: tuple[str, ...]) -> None:
    done = postmill("detect", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_nothing_in_a_file_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    evil = Text('Socket "\x1b[2J\x07\n', mode=0o644)
    on_disk(tmp_path, {**MACHINE, "/etc/opendkim.conf": evil, "/etc/opendkim.d": Link("/dev/null")})
    done = postmill("detect", "--root", str(tmp_path))
    assert "\x1b" not in done.stdout
    assert "/etc/opendkim.conf:1" in done.stdout


def test_nothing_is_changed(root: Path) -> None:
    def files() -> dict[str, float]:
        return {str(path): path.lstat().st_mtime for path in root.rglob("*")}

    before = files()
    postmill("detect", "--root", str(root))
    assert files() == before
