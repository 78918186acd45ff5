"""The specifiers of systemd's system manager, such as ``%n`` for the name of the unit (systemd.unit(5))."""

from __future__ import annotations

import re

from postmill.detectors.readers.values import UNKNOWN

_FIXED = {
    "%": "%",
    "t": "/run",
    "S": "/var/lib",
    "C": "/var/cache",
    "L": "/var/log",
    "E": "/etc",
    "T": "/tmp",  # noqa: S108 - what the specifier means
    "V": "/var/tmp",  # noqa: S108
    "h": "/root",
    "u": "root",
    "U": "0",
    "g": "root",
    "G": "0",
    "s": "/bin/sh",
}


def specified(text: str, unit: str) -> str:
    """Return a text with its specifiers replaced; one that depends on the running machine is unknown."""
    return re.sub(r"%(.)", lambda found: _meaning(found[1], unit), text)


def _meaning(letter: str, unit: str) -> str:
    stem = unit.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    own = {
        "n": unit,
        "N": stem,
        "p": prefix,
        "P": unescaped(prefix),
        "i": instance,
        "I": unescaped(instance),
        "j": prefix.rpartition("-")[2],
        "J": unescaped(prefix.rpartition("-")[2]),
        "f": "/" + unescaped(instance or prefix).lstrip("/"),
    }
    return own.get(letter) or _FIXED.get(letter) or ("" if letter in own else UNKNOWN)


def unescaped(name: str) -> str:
    """Undo systemd-escape(1): ``-`` is a slash, ``\\x2d`` a byte."""
    text = name.replace("-", "/")
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
