"""Postmill's own tests with Debian's Python, uvloop, click and rich, on the code that the package installs.

Only what runs the tests (pytest, hypothesis) comes from our environment: Debian 12 has older ones.
"""

from __future__ import annotations

import os
from importlib.metadata import files
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.stack.container import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

TOOLS = ("pytest", "pluggy", "iniconfig", "packaging", "pytest-timeout", "hypothesis", "sortedcontainers")
#: The daemon as a whole, what leans on uvloop, and what leans on click.
SUBSET = ("tests/daemon/test_reload.py", "tests/net/test_mta_disappears.py", "tests/cli")


@pytest.fixture(scope="module")
def workplace(machine: Container, package: Path) -> str:
    """The package, our tests with the pages they compare with, and their tools; not our sources."""
    machine.copy(package, "/srv/postmill.deb")
    machine.run(["dpkg", "-i", "/srv/postmill.deb"], timeout=100)
    for name in ("pyproject.toml", "docs", "tests"):
        machine.copy(ROOT / name, f"/srv/work/{name}")
    for tool in TOOLS:
        for file in files(tool) or ():
            if file.suffix in (".py", ".so") or ".dist-info" in file.parts[0]:
                machine.copy(Path(os.fspath(file.locate())), f"/srv/tools/{file}")
    return "/srv/work"


def test_versions_are_debians(machine: Container, workplace: str) -> None:
    script = "import sys, click, rich, uvloop, postmill; print(sys.executable, *(m.__file__ for m in (click, rich, uvloop, postmill)))"
    executable, *modules = machine.run(["/usr/bin/python3", "-c", script]).stdout.split()
    assert executable == "/usr/bin/python3"
    assert all(module.startswith("/usr/lib/python3/dist-packages/") for module in modules)


def test_our_tests_pass_with_them(machine: Container, workplace: str) -> None:
    command = f"cd {workplace} && PYTHONPATH=/srv/tools /usr/bin/python3 -m pytest -q -x -p no:cacheprovider {' '.join(SUBSET)}"
    done = machine.run(["sh", "-c", command], timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_demo_runs_with_them(machine: Container, workplace: str) -> None:
    shown = machine.run(["postmill", "demo", "--once"], timeout=100).stdout
    assert "6 of 6 sample mails fared as expected." in shown
