"""The example machines of all detectors, from the test modules of their names."""

from __future__ import annotations

import importlib

from postmill.detectors import shelf
from tests.detectors.machines import Example


def module_of(name: str) -> str:
    """The name of a detector's file."""
    return name.replace("-", "_")


def examples() -> list[Example]:
    """Every example there is."""
    return [
        example
        for name in shelf()
        for example in importlib.import_module(f"tests.detectors.test_{module_of(name)}").MACHINES
    ]


def label(example: Example) -> str:
    """How pytest names it."""
    return f"{example.name}-{example.platform}"
