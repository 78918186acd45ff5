"""The examples of conditions in the pages do what the pages say: an administrator's own, and one for the shelf."""

from __future__ import annotations

import re
from pathlib import Path

from postmill.daemon.configuration import load_configuration
from tests.docs.worked_example import ROOT, add_files, lint, run

OWN = (ROOT / "docs" / "conditions.md").read_text()
ADDING = (ROOT / "docs" / "contribute" / "condition.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_an_own_condition_is_loaded_and_tested_as_shown(tmp_path: Path) -> None:
    condition, test = blocks(OWN, "python")
    folder = tmp_path / "policy.d"
    folder.mkdir()
    (folder / "house.py").write_text(condition)
    (tmp_path / "postmill.toml").write_text(blocks(OWN, "toml")[1])
    uses = load_configuration(tmp_path / "postmill.toml").settings.milters[0].conditions
    assert [str(use) for use in uses] == ["publishes-spf", "many-recipients"]
    assert test.count('"/etc/postmill/policy.d"') == 1
    (tmp_path / "test_house.py").write_text(test.replace("/etc/postmill/policy.d", str(folder)))
    assert "2 passed" in run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_house.py")


def test_a_condition_is_added_by_one_file_and_one_test(tmp_path: Path) -> None:
    files = add_files(ADDING, tmp_path, "tests/conditions", "tests/net")
    assert files == ["src/postmill/conditions/encrypted.py", "tests/conditions/test_encrypted.py"]
    command = re.findall(r"^\.venv/bin/python (-m pytest [^#]*?) *#", ADDING, re.MULTILINE)[0].split()
    told = run(tmp_path, *command, "-p", "no:cacheprovider", "-v")
    assert "test_encrypted.py::test_without_tls PASSED" in told
    assert re.search(
        r"test_contract.py::TestEach::test_decides_whatever_comes\S*\[encrypted\S*\] PASSED", told
    )
    run(tmp_path, "docs/generate.py")
    assert "## `encrypted`\n" in (tmp_path / "docs" / "reference" / "conditions.md").read_text()
    lint(tmp_path, files)
