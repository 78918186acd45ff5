"""Fixtures shared by the tests with real mail software."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import postfix

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder ``interop``, and skip it where no private Postfix can run."""
    skip = pytest.mark.skip(reason="needs Postfix installed and root")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)
            if not postfix.available():
                item.add_marker(skip)
