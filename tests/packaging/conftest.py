"""The package, built once, and containers: the tree for the whole run, a fresh container for each file of tests."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.mailhost import MailHost
from tests.stack import container, debian_tree
from tests.stack.container import Container

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "packaging" / "build-deb"
PYTHON_PACKAGES = tuple(
    f"python3-{re.split(r'[^a-z]', one)[0]}"
    for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
)
"""What the project depends on, by Debian's names."""
MISSING = 3
"""Its status where the packages are not installed that it needs."""


def build(target: Path, **variables: str) -> Path:
    """Build the package with `make deb`'s script, which must leave nothing else; its file."""
    before = tree_state()
    done = subprocess.run(
        [BUILD],
        env={**os.environ, "TARGET": str(target), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode == MISSING:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree_state() == before
    return Path(done.stdout.strip())


def tree_state() -> set[Path]:
    """All files of the project, and what else lies beside them; not the caches, which other tests write."""
    folders = [folder for folder in ROOT.iterdir() if not folder.name.startswith(".")]
    files = {file for folder in folders for file in folder.rglob("*") if "__pycache__" not in file.parts}
    return files | set(folders)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree."""
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a higher version."""
    return build(tmp_path_factory.mktemp("upgrade"), REVISION="2")


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is built on a release with a newer systemd."""
    return build(tmp_path_factory.mktemp("newer"), SYSTEMD="257")


@pytest.fixture(scope="session")
def tree() -> Path:
    """A Debian tree to start containers on; nobody writes to it."""
    if reason := container.missing():
        pytest.skip(reason)
    return debian_tree.tree()


@pytest.fixture(scope="module")
def machine(tree: Path) -> Iterator[Container]:
    """A running container, for one file of tests."""
    with Container(tree) as running:
        yield running


@pytest.fixture(scope="module")
def host(machine: Container) -> MailHost:
    """The same with mail, and without Postmill."""
    host = MailHost(machine)
    host.prepare()
    return host
