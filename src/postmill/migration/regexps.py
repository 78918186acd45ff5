"""Regular expressions of Ruby as Python's, and back; and those that only name a domain, as that domain.

Only what means the same in both is carried over. Ours ignore case, and a name's case means nothing.
"""

from __future__ import annotations

import re

from postmill.migration.tokens import Pattern

_LITERAL = r"((?:[A-Za-z0-9_-]|\\[.+_-])+)"
_END = r"(?:\\z|\\Z|\$)"
_BEGIN = r"(?:\\A|\^)"
_NAMED = re.compile(rf"(?P<begin>{_BEGIN}|\\\.|\((?:\?:)?(?:\\A|\^)\|\\\.\))(?P<name>{_LITERAL}){_END}")
_ACCOUNT = re.compile(rf"{_BEGIN}(?P<local>{_LITERAL})@(?:(?P<domain>{_LITERAL}){_END})?")
_AT_DOMAIN = re.compile(rf"@(?P<name>{_LITERAL}){_END}")

_OUTSIDE = re.compile(
    r"\\(?P<escape>[\s\S])|(?P<group>\(\?(?:P?<\w+>|<?[=!]|[:>#]|i?:|i\))?)|(?P<class>\[\^?\]?)"
)
_INSIDE = re.compile(r"\\(?P<escape>[\s\S])|\[:(?P<posix>\w+):\]|(?P<bad>\[|&&)|(?P<end>\])")
_MARKS = r".\/-+*?()[]{}|^$#@_ ~!%&=:;,<>'\"`"
_ESCAPES = frozenset(_MARKS + "bdDwWsSnrtfv")
_ESCAPES_OUTSIDE = _ESCAPES | frozenset("AB123456789")
_HEX_DIGITS = "0-9a-fA-F"
_POSIX = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "xdigit": _HEX_DIGITS,
}


def domains(pattern: Pattern) -> list[str] | None:
    """Say which domains it names: ``/\\.example\\.org\\z/`` is ``.example.org``. None: not so simple."""
    found = None if "x" in pattern.flags else _NAMED.fullmatch(pattern.source)
    if not found:
        return None
    name = _plain(found["name"])
    if found["begin"] == r"\.":
        return [f".{name}"]
    return [name, f".{name}"] if found["begin"].startswith("(") else [name]


def accounts(pattern: Pattern) -> list[str] | None:
    """The same for recipients: ``/@example\\.org\\z/`` is ``example.org``, ``/\\Ajoe@/`` is ``joe@``."""
    if "x" in pattern.flags:
        return None
    if found := _ACCOUNT.fullmatch(pattern.source):
        return [f"{_plain(found['local'])}@{_plain(found['domain'] or '')}"]
    if found := _AT_DOMAIN.fullmatch(pattern.source):
        return [_plain(found["name"])]
    return domains(pattern) if pattern.source.startswith(r"\.") else None


def _plain(text: str) -> str:
    return text.replace("\\", "")


def to_python(pattern: Pattern) -> str:
    """Translate; ``ValueError`` names what cannot be."""
    if set(pattern.flags) - set("ioun"):
        raise ValueError(f"the flags {pattern.flags}")
    changed = {"/": "/", "z": r"\Z", "Z": r"\Z", "h": f"[{_HEX_DIGITS}]"}
    return _translated(pattern.source, changed, {"/": "/", "h": _HEX_DIGITS}, ("(?<", "(?P<"))


def to_ruby(source: str) -> str:
    """Translate one of ours, to stand between slashes; ``ValueError`` names what cannot be."""
    ruby = _translated(source, {"Z": r"\z"}, {}, ("(?P<", "(?<"))
    return re.sub(
        r"\\[\s\S]|/|#(?=[{$@])", lambda found: found[0] if found[0][0] == "\\" else f"\\{found[0]}", ruby
    )


def _translated(source: str, outside: dict[str, str], inside: dict[str, str], names: tuple[str, str]) -> str:
    parts: list[str] = []
    at, in_class = 0, False
    while found := (_INSIDE if in_class else _OUTSIDE).search(source, at):
        parts += [source[at : found.start()], _piece(found, in_class, inside if in_class else outside, names)]
        in_class = found.lastgroup == "class" or (in_class and found.lastgroup != "end")
        at = found.end()
    return "".join([*parts, source[at:]])


def _piece(found: re.Match[str], in_class: bool, changed: dict[str, str], names: tuple[str, str]) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "escape":
        letter = str(found["escape"])
        if letter not in changed and letter not in (_ESCAPES if in_class else _ESCAPES_OUTSIDE):
            raise ValueError(text)
        return changed.get(letter, text)
    if kind == "posix" and found["posix"] in _POSIX:
        return _POSIX[found["posix"]]
    if kind in ("bad", "posix") or text == "(?":
        raise ValueError(text)
    if kind == "group" and text.endswith(">") and text != "(?>":
        if not text.startswith(names[0]):
            raise ValueError(text)
        return text.replace(*names)
    return text
