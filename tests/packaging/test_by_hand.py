"""What docs/install.md says about an installation by hand, done word by word."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.packaging.mailhost import MailHost
from tests.stack.container import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

#: There is no network in a container: pip finds there what we have fetched for it.
OFFLINE = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels PIP_DISABLE_PIP_VERSION_CHECK=1"


def commands() -> str:
    section = (ROOT / "docs" / "install.md").read_text().partition("\n## By hand\n")[2]
    found = re.search(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def source(machine: Container, tmp_path: Path) -> str:
    """The source as one has it, and the wheels that it needs for the container's Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    fetch = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.11",
    ]
    subprocess.run([*fetch, "-d", str(tmp_path), *wanted], check=True, timeout=300)
    machine.copy(tmp_path, "/srv/wheels")
    for name in ("pyproject.toml", "README.md", "LICENSE", "src", "packaging"):
        machine.copy(ROOT / name, f"/srv/source/{name}")
    return "/srv/source"


def test_it_works_as_the_page_says(host: MailHost, machine: Container, source: str) -> None:
    machine.shell(f"{OFFLINE}; cd {source}; {commands()}", timeout=300)
    for unit in ("postmill.service", "postmill.socket"):
        assert machine.systemctl("is-active", unit) == "active"
    host.connect_postfix()
    machine.run(["postmill", "doctor", "--fix"], timeout=240, check=False)  # its status tells of what is left
    machine.systemctl("restart", "postmill")
    code, text = host.send()
    assert code == 250, text
    assert host.lines(text.rpartition(" ")[2])
    machine.systemctl("reload", "postmill")
    assert machine.shell("postmill --version").startswith("postmill ")
