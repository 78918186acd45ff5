"""With POSTMILL_REQUIRE_PEERS a skipped interop test is a failure, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
import pytest

@pytest.mark.interop
@pytest.mark.skip(reason="no Postfix here")
def test_marked(): pass

@pytest.fixture
def peer(): pytest.skip("no Sendmail here")

@pytest.mark.interop
def test_by_fixture(peer): pass

@pytest.mark.skip(reason="not on this kernel")
def test_other_skip(): pass

@pytest.mark.interop
@pytest.mark.xfail
def test_expected_failure(): assert False

@pytest.mark.interop
def test_runs(): pass
"""

WHOLE_FILE = 'import pytest\npytest.skip("no milters here", allow_module_level=True)\n'


@pytest.fixture(params=["0", "2"], ids=["one process", "two processes"])
def processes(request: pytest.FixtureRequest) -> str:
    """How many run the tests, beside the one that reports."""
    return str(request.param)


def outcome(directory: Path, processes: str, required: bool) -> tuple[str, str]:
    """Run the tests of a directory; return all output and the counts in the closing line."""
    environment = {name: value for name, value in os.environ.items() if name != "POSTMILL_REQUIRE_PEERS"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--numprocesses",
            processes,
            "--dist",
            "loadfile",
            "-o",
            "markers=interop\nslow",
            "--rootdir",
            ".",
            ".",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env=environment | ({"POSTMILL_REQUIRE_PEERS": "1"} if required else {}),
    )
    return done.stdout, done.stdout.splitlines()[-1].strip("= ").rpartition(" in ")[0]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def test_a_skip_is_a_skip_by_default(suite: Path, processes: str) -> None:
    assert outcome(suite, processes, required=False)[1] == "1 passed, 3 skipped, 1 xfailed"


def test_a_skipped_interop_test_fails_where_peers_are_required(suite: Path, processes: str) -> None:
    output, counts = outcome(suite, processes, required=True)
    assert counts == "1 passed, 1 skipped, 1 xfailed, 2 errors"
    assert "this was not run: Skipped: no Postfix here" in output
    assert "this was not run: Skipped: no Sendmail here" in output


def test_a_file_that_skips_itself_fails_where_peers_are_required(suite: Path, processes: str) -> None:
    (suite / "test_it.py").write_text(WHOLE_FILE)
    assert outcome(suite, processes, required=False)[1] == "1 skipped"
    output, counts = outcome(suite, processes, required=True)
    assert counts == "1 error"
    assert "this was not run: Skipped: no milters here" in output
