"""Names and values of macros, which MTAs call symbols (protocol §2.2, §5)."""

from __future__ import annotations

Pairs = tuple[tuple[bytes, bytes], ...]


def bare(name: bytes) -> bytes:
    """Return a macro name without braces, the form in which names are compared (protocol §2.2)."""
    return name[1:-1] if name[:1] == b"{" and name[-1:] == b"}" else name


def parse_pairs(payload: bytes | None) -> Pairs:
    """Return the pairs of a ``D`` payload; what is odd or unended at its end is left out, as in libmilter."""
    if payload is None:
        return ()
    parts = payload[1:].split(b"\0")[:-1]
    return tuple(zip(parts[::2], parts[1::2], strict=False))
