"""Print what Hypothesis draws with our settings, after some modules are imported: for test_same_examples.py."""

from __future__ import annotations

import importlib
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

import tests.conftest  # our settings  # noqa: F401

DRAWN: list[tuple[str, bytes, int]] = []


@settings(max_examples=300)
@given(st.text(), st.binary(), st.integers())
def draw(text: str, data: bytes, number: int) -> None:
    """Only draw."""
    DRAWN.append((text, data, number))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    draw()
    print(ascii(DRAWN))
