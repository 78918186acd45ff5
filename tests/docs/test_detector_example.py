"""The example of a detector does what its page says: one file and one test, and it stands on the shelf."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.test_condition_examples import ROOT, run

PAGE = (ROOT / "docs" / "contribute" / "detector.md").read_text()
COPIED = (
    *("src", "docs", "pyproject.toml"),
    *("tests/__init__.py", "tests/conftest.py", "tests/detectors", "tests/stack", "tests/interop"),
)


def test_a_detector_is_added_by_one_file_and_one_test(tmp_path: Path) -> None:
    for name in COPIED:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target)
    files = re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == [
        "src/postmill/detectors/smf_spf.py",
        "tests/detectors/test_smf_spf.py",
    ]
    for name, text in files:
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text)
    command = re.findall(r"^\.venv/bin/python (-m pytest \S+) -k \"(.*?)\" *#", PAGE, re.MULTILINE)[0]
    told = run(tmp_path, *command[0].split(), "-k", command[1], "-p", "no:cacheprovider", "-v")
    assert "test_smf_spf.py::test_its_configuration_decides[" in told
    for case in (
        "test_is_found_and_can_be_used[smf-spf-debian]",
        "test_is_removed_without_its_program[smf-spf-redhat]",
    ):
        assert f"test_contract.py::TestEachExample::{case} PASSED" in told
    run(tmp_path, "docs/generate.py")
    reference = (tmp_path / "docs" / "reference" / "detectors.md").read_text()
    assert "| 340 | [smf-spf](#smf-spf) | remote-network, unauthenticated, no-stress |\n" in reference
    run(tmp_path, "-m", "ruff", "check", "--quiet", *(name for name, _ in files))
    run(tmp_path, "-m", "ruff", "format", "--check", "--quiet", *(name for name, _ in files))
