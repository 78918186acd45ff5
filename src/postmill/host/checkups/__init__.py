"""The shelf of checkups: a file for each thing the doctor looks at, collected without a registry.

A checkup is a module with ``check(patient)``, which yields diagnoses, and ``PLACE``, which orders the row.
Its name is the file's. Files on the shelf do not know each other; adding one edits nothing else. Checkups
read values and never change the machine.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping

from postmill.host.diagnosis import Diagnosis
from postmill.host.patient import Patient

Checkup = Callable[[Patient], Iterable[Diagnosis]]


def shelf() -> Mapping[str, Checkup]:
    """Return every checkup by its name, in the order in which they are best read."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    modules.sort(key=lambda module: (module.PLACE, module.__name__))
    return {module.__name__.rpartition(".")[2].replace("_", "-"): module.check for module in modules}
