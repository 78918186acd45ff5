"""Kinds of values a setting may have: how each is written in TOML, checked, and shown again.

A kind says three things about its values: what is allowed (``allowed``, a phrase that follows "must be"),
how TOML's value becomes ours (``parse``) and how ours is written again (``show``). Nothing here knows a key's
name: that is ``settings``; nor a file or a line: that is ``reading``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from postmill.errors import EndpointError
from postmill.wire.endpoint import Endpoint, parse_endpoint

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

MACRO_STAGES = ("connect", "helo", "mail", "rcpt", "data", "eoh", "eom", "unknown")


class Kind(Protocol):
    """What every kind of value can do."""

    @property
    def allowed(self) -> str:
        """A phrase that follows "must be"."""
        ...

    def parse(self, raw: Any) -> Any:
        """Turn TOML's value into ours; ``ValueError`` (its text may be empty) when it is not allowed."""
        ...

    def show(self, value: Any) -> str:
        """Write our value as TOML."""
        ...


def quoted(text: str) -> str:
    """Write a TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


@dataclass(frozen=True, slots=True)
class Text:
    """Any string, or one that matches ``pattern``."""

    pattern: str = ""
    phrase: str = "a string"

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return self.phrase

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if not isinstance(raw, str) or (self.pattern and not re.fullmatch(self.pattern, raw)):
            raise ValueError
        return raw

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(value)


PATH = Text(r"(/[^\0]*)?", 'an absolute path, or "" for none')
ACCOUNT = Text(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?|", 'the name or number of an account, or ""')


@dataclass(frozen=True, slots=True)
class MilterName:
    """The name of a milter that stands before the one whose setting this is."""

    allowed: str = "the name of a milter"

    def parse(self, raw: Any) -> str:
        """See ``Kind``; whether there is such a milter is checked with the whole configuration."""
        if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", raw):
            raise ValueError
        return raw

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """``true`` or ``false``."""

    allowed: str = "true or false"

    def parse(self, raw: Any) -> bool:
        """See ``Kind``."""
        if not isinstance(raw, bool):
            raise ValueError
        return raw

    def show(self, value: bool) -> str:
        """See ``Kind``."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number between ``least`` and ``most``."""

    least: int
    most: int = 1_000_000

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return f"a whole number from {self.least} to {self.most}"

    def parse(self, raw: Any) -> int:
        """See ``Kind``."""
        if not isinstance(raw, int) or isinstance(raw, bool) or not self.least <= raw <= self.most:
            raise ValueError
        return raw

    def show(self, value: int) -> str:
        """See ``Kind``."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return either([quoted(word) for word in self.words])

    def parse(self, raw: Any) -> str:
        """See ``Kind``."""
        if raw not in self.words:
            raise ValueError
        return str(raw)

    def show(self, value: str) -> str:
        """See ``Kind``."""
        return quoted(value)


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in seconds, written ``"500ms"``, ``"5s"``, ``"1h30m"``, ``"1d"`` or as a number."""

    least: float = 0.001
    most: float = 7 * 86400.0

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return (
            f"a time from {_in_units(self.least)} to {_in_units(self.most)},"
            ' such as "500ms", "5s", "2m", "1h" or a number of seconds'
        )

    def parse(self, raw: Any) -> float:
        """See ``Kind``."""
        seconds = float(raw) if _is_number(raw) else self._parse_text(raw)
        if not self.least <= seconds <= self.most:  # also turns away nan
            raise ValueError
        return seconds

    @staticmethod
    def _parse_text(raw: Any) -> float:
        part = r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*"
        if not isinstance(raw, str) or not re.fullmatch(rf"(?:{part})+", raw, re.ASCII):
            raise ValueError
        return sum(float(number) * _DURATION_UNITS[unit] for number, unit in re.findall(part, raw))

    def show(self, value: float) -> str:
        """See ``Kind``; a number where no unit says it exactly."""
        text = _in_units(value)
        return quoted(text) if self._parse_text(text) == value else repr(value)


def _in_units(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        number = seconds / _DURATION_UNITS[unit]
        if number >= 1 and number == int(number):
            return f"{int(number)}{unit}"
    return f"{seconds * 1000:.10g}ms" if seconds < 1 else f"{seconds:.10g}s"


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, written ``"64KB"``, ``"1MB"``, ``"2GB"`` (powers of 1024) or as a number."""

    allowed: str = (
        'a size of zero or more, such as "64KB", "1MB", "2GB" (1 KB = 1024 bytes) or a number of bytes'
    )

    def parse(self, raw: Any) -> int:
        """See ``Kind``."""
        if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
            return raw
        found = (
            re.fullmatch(r"(\d+)\s*(?:([KMG])i?)?B?", raw, re.ASCII | re.IGNORECASE)
            if isinstance(raw, str)
            else None
        )
        if found is None:
            raise ValueError
        return int(found[1]) * _SIZE_UNITS[(found[2] or "").lower()]

    def show(self, value: int) -> str:
        """See ``Kind``."""
        for unit in ("g", "m", "k"):
            if value and value % _SIZE_UNITS[unit] == 0:
                return quoted(f"{value // _SIZE_UNITS[unit]}{unit.upper()}B")
        return str(value)


@dataclass(frozen=True, slots=True)
class Mode:
    """Permission bits as chmod(1) writes them. A number is refused: decimal 660 is not octal 660."""

    allowed: str = 'permission bits in octal between quotes, such as "0660"'

    def parse(self, raw: Any) -> int:
        """See ``Kind``."""
        if not isinstance(raw, str) or not re.fullmatch(r"0?[0-7]{3}", raw, re.ASCII):
            raise ValueError
        return int(raw, 8)

    def show(self, value: int) -> str:
        """See ``Kind``."""
        return quoted(f"{value:04o}")


@dataclass(frozen=True, slots=True)
class Socket:
    """An address to listen at or to connect to."""

    allowed: str = 'a socket such as "unix:/run/x.sock", "inet:8899@127.0.0.1" or "inet6:8899@::1"'

    def parse(self, raw: Any) -> Endpoint:
        """See ``Kind``."""
        if not isinstance(raw, str):
            raise ValueError
        try:
            return parse_endpoint(raw)
        except EndpointError as error:
            raise ValueError(str(error)) from error

    def show(self, value: Endpoint) -> str:
        """See ``Kind``."""
        return quoted(str(value))


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """A unix socket, or none."""

    allowed: str = 'a unix socket such as "unix:/run/x.sock", or "" for none'

    def parse(self, raw: Any) -> Endpoint | None:
        """See ``Kind``."""
        if raw == "":
            return None
        endpoint = Socket().parse(raw)
        if endpoint.kind != "unix":
            raise ValueError
        return endpoint

    def show(self, value: Endpoint | None) -> str:
        """See ``Kind``."""
        return quoted(str(value or ""))


@dataclass(frozen=True, slots=True)
class InetSocket:
    """An address to listen at over TCP, or none."""

    allowed: str = 'an address such as "inet:9797@127.0.0.1" or "inet6:9797@::1", or "" for none'

    def parse(self, raw: Any) -> Endpoint | None:
        """See ``Kind``."""
        if raw == "":
            return None
        endpoint = Socket().parse(raw)
        if endpoint.kind == "unix":
            raise ValueError
        return endpoint

    def show(self, value: Endpoint | None) -> str:
        """See ``Kind``."""
        return quoted(str(value or ""))


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind; an error names the element."""

    item: Kind
    least: int = 0
    noun: str = "a list"

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        few = "" if not self.least else f" with at least {self.least} element" + "s" * (self.least > 1)
        return f"{self.noun}{few}; each {self.item.allowed}"

    def parse(self, raw: Any) -> tuple[Any, ...]:
        """See ``Kind``; ``reading`` has tried the elements one by one before, to point at the wrong one."""
        if not isinstance(raw, list) or len(raw) < self.least:
            raise ValueError
        return tuple(self.item.parse(element) for element in raw)

    def show(self, value: Any) -> str:
        """See ``Kind``."""
        return "[" + ", ".join(self.item.show(element) for element in value) + "]"


@dataclass(frozen=True, slots=True)
class SetOf:
    """A list whose order and repetitions mean nothing."""

    item: Kind

    @property
    def allowed(self) -> str:
        """See ``Kind``."""
        return f"a list; each {self.item.allowed}"

    def parse(self, raw: Any) -> frozenset[Any]:
        """See ``Kind``."""
        if not isinstance(raw, list):
            raise ValueError
        return frozenset(self.item.parse(element) for element in raw)

    def show(self, value: Any) -> str:
        """See ``Kind``."""
        return "[" + ", ".join(sorted(self.item.show(element) for element in value)) + "]"


@dataclass(frozen=True, slots=True)
class Macros:
    """Extra macros: stage -> name -> value; names come out as on the wire, one letter or ``{name}``."""

    allowed: str = (
        f"a table of stages ({', '.join(MACRO_STAGES)}), each a table of macro names and strings,"
        ' such as { mail = { trusted_domain = "yes" } }'
    )

    def parse(self, raw: Any) -> Mapping[str, Mapping[str, str]]:
        """See ``Kind``."""
        if not isinstance(raw, dict):
            raise ValueError
        return {stage: self._stage(stage, names) for stage, names in raw.items()}

    def _stage(self, stage: str, names: Any) -> Mapping[str, str]:
        if stage not in MACRO_STAGES:
            raise ValueError(f"there is no stage {quoted(stage)}: it is {either(list(MACRO_STAGES))}")
        if not isinstance(names, dict):
            raise ValueError(f"stage {stage} must be a table of macro names and strings")
        return dict(self._macro(name, value) for name, value in names.items())

    @staticmethod
    def _macro(name: str, value: Any) -> tuple[str, str]:
        bare = name[1:-1] if name.startswith("{") and name.endswith("}") else name
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", bare, re.ASCII):
            raise ValueError(f"{quoted(name)} is no macro name: a letter, then letters, digits, '_' and '.'")
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"macro {name} must be a string without NUL")
        return (bare if len(bare) == 1 else f"{{{bare}}}"), value

    def show(self, value: Mapping[str, Mapping[str, str]]) -> str:
        """See ``Kind``."""
        stages = [f"{stage} = {{ {_pairs(names)} }}" for stage, names in value.items() if names]
        return f"{{ {', '.join(stages)} }}" if stages else "{}"


def _pairs(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name.strip('{}')} = {quoted(value)}" for name, value in names.items())


def either(words: list[str]) -> str:
    """Write ``a, b or c``."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
