"""Values as the predecessor's language writes them."""

from __future__ import annotations

import re
from typing import Any

from postmill.migration.equivalents import Octal
from postmill.migration.tokens import Pattern

_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]|#(?=[{$@])')
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\x1b": r"\e"}


def literal(value: Any) -> str:
    """Write a value: nil, true, a number, text between double quotes, a regular expression, a list."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Pattern):
        return f"/{value.source}/{value.flags}"
    if isinstance(value, Octal):
        return f"0{value.value:o}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return f'"{_ESCAPED.sub(_escape, value)}"' if isinstance(value, str) else str(value)


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char in '"\\#':
        return f"\\{char}"
    return _SHORT.get(char, f"\\x{ord(char):02X}")
