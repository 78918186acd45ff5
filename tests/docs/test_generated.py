"""The reference pages are what the code says now."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
SEEN = {"side-by-side.md"}
"""Pages that tests write from what they see, and compare (``tests/filters/side_by_side``)."""


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_fresh(name: str) -> None:
    assert (DOCS / "reference" / name).read_text() == PAGES[name], "stale: run make docs"


def test_no_other_page_is_in_the_reference() -> None:
    assert {page.name for page in (DOCS / "reference").iterdir()} == {*PAGES, *SEEN}


def test_every_key_is_described() -> None:
    assert PAGES["configuration.md"].count("\n### `") > 30
    for key in ("`listen`", "`timeouts.connect`", "`breaker.retry_max`", "`macros`"):
        assert f"### {key}\n" in PAGES["configuration.md"]


def test_every_error_is_described_with_its_status() -> None:
    assert "`UnavailableError` | 69 EX_UNAVAILABLE |" in PAGES["errors.md"]
