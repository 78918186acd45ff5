"""Python's collector of cycles, for processes that run for long and leave hardly any."""

from __future__ import annotations

import gc


def calm() -> None:
    """Leave alone what is there already, and do not look at every few objects that are new (bench/)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
