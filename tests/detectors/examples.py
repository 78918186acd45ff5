"""The example machines of all detectors, from the test modules of their names."""

from __future__ import annotations

import importlib

from postmill.detectors import shelf
from tests.detectors import test_milter_greylist, test_opendkim, test_opendmarc, test_spamass_milter
from tests.detectors.machines import DEBIAN, WANTS, Example, Files


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


def whole_machine() -> Files:
    """A Debian machine with several milters, one of them disabled: the one that docs/detection.md shows."""
    packages = (test_opendkim, test_milter_greylist, test_spamass_milter)
    return {
        **DEBIAN,
        **{path: one for module in packages for path, one in module.PACKAGE.items()},
        **test_spamass_milter.POSTFIX,
        **{path: one for path, one in test_opendmarc.PACKAGE.items() if not path.startswith(WANTS)},
    }


def label(example: Example) -> str:
    """How pytest names it."""
    return f"{example.name}-{example.platform}"
