"""Domain names as people write them in lists, and whether a mail's domain is among them.

Names are compared in the form DNS knows: lower case, labels beyond ASCII as A-labels (RFC 5890 §2.3.2.1), no
final dot. What a person typed is brought there as RFC 5895 §2 says, so ``Bücher.Example`` and
``xn--bcher-kva.example`` are one. Nothing here looks anything up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from postmill.api.kinds import quoted

_LONGEST = 254
"""One more than a name can have (RFC 1035 §2.3.4): who sends more need not have it converted."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_DOTS = re.compile("[.\u3002]")  # NFKC has made the other two full stops of RFC 5895 one of these


def ascii_domain(name: str) -> str:
    """Return a domain in the form in which names are compared; what is no name comes back as well."""
    plain = unicodedata.normalize("NFKC", name[:_LONGEST].lower()).removesuffix(".")
    if plain.isascii() or len(plain) >= _LONGEST:
        return plain
    return ".".join(map(_ascii_label, _DOTS.split(plain)))


def _ascii_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def is_domain(name: str) -> bool:
    """Tell whether a name in ``ascii_domain``'s form can stand in DNS; ``_`` is let pass, people use it."""
    return len(name) < _LONGEST and all(_LABEL.fullmatch(label) for label in name.split("."))


def find_domain(domain: str, entries: Collection[str]) -> str:
    """Return the entry that a domain falls under, empty where none does.

    ``example.org`` is that domain alone, ``.example.org`` whatever is below it, as in Postfix's access(5).
    """
    name = ascii_domain(domain)
    if name and name in entries:
        return name
    parent = name
    while "." in parent:
        parent = parent.partition(".")[2]
        if f".{parent}" in entries:
            return f".{parent}"
    return ""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain, or with a leading dot everything below one."""

    allowed: str = 'a domain such as "example.org", or ".example.org" for every domain below it'

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        name = ascii_domain(raw.strip())
        if not is_domain(name.removeprefix(".")):
            raise ValueError
        return name

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(value)
