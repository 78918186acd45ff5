"""Times as Postfix and Sendmail write them in their configurations: ``30s``, ``5m``, ``1h30m``, ``300``."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def seconds(text: str) -> float:
    """Read a time; a number without a unit counts seconds, and what is no time is 0."""
    parts = re.findall(r"(\d+)\s*([smhdw]?)", text.strip().lower(), re.ASCII)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
