"""The example of a detector does what its page says: one file and one test, and it stands on the shelf."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.worked_example import ROOT, add_files, lint, run

PAGE = (ROOT / "docs" / "contribute" / "detector.md").read_text()


def test_a_detector_is_added_by_one_file_and_one_test(tmp_path: Path) -> None:
    files = add_files(PAGE, tmp_path, "tests/detectors", "tests/stack", "tests/interop")
    assert files == ["src/postmill/detectors/smf_spf.py", "tests/detectors/test_smf_spf.py"]
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
    lint(tmp_path, files)
