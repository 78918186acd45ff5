"""What literals of the predecessor's language mean: numbers, and strings with their escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postmill.migration.tokens import UNKNOWN, Unknown

NUMBER = re.compile(
    r"-?(?:0[xX][\da-fA-F][\da-fA-F_]*|0[bB][01][01_]*|0[oO_]?[0-7][0-7_]*"
    r"|(?:[1-9][\d_]*|0)(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)r?i?(?!\w)",
    re.ASCII,
)
LONGEST_NUMBER = 200

_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9a-fA-F]{1,2})|u(?P<code>[0-9a-fA-F]{4})"
    r"|u\{(?P<codes>[0-9a-fA-F \t]+)\}|(?P<other>[\s\S]))"
)
_ONE_LETTER = {
    "n": b"\n", "t": b"\t", "s": b" ", "r": b"\r", "e": b"\x1b", "a": b"\a", "b": b"\b", "v": b"\v",
    "f": b"\f", "\n": b"",
}  # fmt: skip
_MEANS_MORE = frozenset("uxMCc")


def number(text: str) -> int | float:
    """Read what ``NUMBER`` matched."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("-").replace("_", "").lower()
    prefixed = re.fullmatch(r"0([xbo]?)([\da-f]+)", digits)
    if prefixed and (prefixed[1] or digits.isdigit()):
        return sign * int(prefixed[2], {"x": 16, "b": 2}.get(prefixed[1], 8))
    return sign * (int(digits) if digits.isdigit() else float(digits))


def single(raw: str, delimiters: str = "'") -> str:
    """Read what stands between single quotes: only the quote and the backslash can be escaped."""
    return re.sub(rf"\\([\\{re.escape(delimiters)}])", r"\1", raw)


def double(raw: str) -> str | Unknown:
    """Read what stands between double quotes; ``UNKNOWN`` for what is no text in UTF-8."""
    try:
        return b"".join(_pieces(raw)).decode()
    except ValueError:
        return UNKNOWN


def _pieces(raw: str) -> Iterator[bytes]:
    done = 0
    for found in _ESCAPE.finditer(raw):
        yield raw[done : found.start()].encode()
        yield _meaning(found)
        done = found.end()
    yield raw[done:].encode()


def _meaning(found: re.Match[str]) -> bytes:
    kind, text = str(found.lastgroup), str(found[str(found.lastgroup)])
    if kind in ("octal", "hex"):
        return bytes([int(text, 8 if kind == "octal" else 16)])
    if kind in ("code", "codes"):
        return "".join(chr(int(code, 16)) for code in text.split()).encode()
    if text in _MEANS_MORE:
        raise ValueError(text)
    return _ONE_LETTER.get(text, text.encode())
