"""The house rules that a machine can hold (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import postmill
from tests.conftest import SLOW, TOGETHER

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PYTHON = sorted(
    file
    for folder in ("src", "tests", "bench", "docs", "packaging", ".ci")
    for file in (ROOT / folder).rglob("*.py")
)
LONG: set[str] = set()
"""Source files that may have more than 400 lines, each with a reason in its docstring."""


def ids(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_source_file_is_long() -> None:
    long = {ids(file) for file in SOURCES if len(file.read_text().splitlines()) > 400}
    assert long == LONG, "split it along the rooms, or list it with its reason"


@pytest.mark.parametrize("file", PYTHON, ids=ids)
def test_every_file_says_what_belongs_in_it(file: Path) -> None:
    text = file.read_text()
    if file.name == "__init__.py" and not text.strip() and "tests" in file.parts:
        return  # only makes a folder of tests a package
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert len(docstring) > 20


def test_no_room_for_odds_and_ends() -> None:
    nameless = {"utils", "util", "helpers", "helper", "common", "misc"}
    parts = {part for file in PYTHON for part in file.relative_to(ROOT).with_suffix("").parts}
    assert not parts & nameless


def test_every_folder_of_tests_is_a_package() -> None:
    """Two files of one name in folders that are no packages would hide each other."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert [ids(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == postmill.__version__ == version("postmill")


def test_import_contracts() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_package_is_under_the_contracts() -> None:
    """Each contract that names rooms one by one names every room it is about."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    core = next(contract for contract in contracts if contract["name"].startswith("The core"))
    assert set(core["source_modules"]) >= {"postmill.wire", "postmill.mail", "postmill.chain"}
    floors = next(contract for contract in contracts if contract["type"] == "layers")
    assert floors["exhaustive"], "a new room must be given its floor"


@pytest.mark.parametrize(
    "target", ["setup", "demo", "test", "check", "docs", "bench", "peers", "deb", "clean", "help"]
)
def test_make_targets(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.*## .+\.$", makefile, re.MULTILINE), "a target with a line for `make help`"
    assert re.search(rf"^\.PHONY:.*\b{target}\b", makefile, re.MULTILINE)


def test_ci_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_programs_can_be_imported() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    missing = []
    for name, target in scripts.items():
        module = target.partition(":")[0].replace(".", "/")
        if not any((ROOT / "src" / form).exists() for form in (f"{module}.py", f"{module}/__init__.py")):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ((), ".venv/bin/postmill demo"),
        (("ONCE=1",), ".venv/bin/postmill demo --once"),
        (("MTA=postfix",), ".venv/bin/postmill demo --mta postfix"),
        (("MTA=postfix", "ONCE=1"), ".venv/bin/postmill demo --mta postfix --once"),
    ],
)
def test_make_demo_passes_its_variables_on(variables: tuple[str, ...], command: str) -> None:
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MTA", "ONCE", "ARGS"}  # when make runs this test
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        ["make", "-n", "demo", *variables], cwd=ROOT, env=plain, capture_output=True, text=True, check=True
    )
    assert [" ".join(line.split()) for line in done.stdout.splitlines()][-1] == command


def test_what_is_listed_in_conftest_is_there() -> None:
    for name in (*SLOW, *TOGETHER):
        assert (ROOT / "tests" / name).exists(), "listed in tests/conftest.py"
