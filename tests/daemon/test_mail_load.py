"""Sessions counted over several workers, and the limit that Postfix's own configuration says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from postmill.api import Load
from postmill.daemon.mail_load import LoadMeter, SessionCounts, process_limit


def test_counts_are_shared_with_processes_forked_later() -> None:
    counts = SessionCounts()
    places = [counts.take_place() for _ in range(3)]
    assert len(set(places)) == 3
    pids = []
    for place in places:
        pid = os.fork()
        if not pid:
            counts.write(place, place + 10)
            os._exit(0)
        counts.belongs_to(place, pid)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert counts.total() == sum(place + 10 for place in places)
    counts.give_back(pids[1])
    assert counts.total() == places[0] + places[2] + 20
    assert counts.take_place() == places[1]
    assert LoadMeter(counts, 100)() == Load(counts.total(), 100)


def test_a_configured_limit_is_taken_as_it_is() -> None:
    assert process_limit(7) == 7


def test_nobody_knows_without_postfix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert process_limit(0) == 0


@pytest.mark.interop
@pytest.mark.parametrize(
    ("limit", "own", "expected"), [(120, "-", 120), (120, "30", 30), (0, "-", 0), (100, "0", 0)]
)
def test_the_limit_of_a_real_postfix(
    limit: int, own: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not shutil.which("postconf"):
        pytest.skip("Postfix is not installed")
    (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\ndefault_process_limit = {limit}\n")
    (tmp_path / "master.cf").write_text(f"smtp inet n - n - {own} smtpd\n")
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    assert process_limit(0) == expected
