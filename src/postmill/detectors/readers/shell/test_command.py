"""``test`` and ``[`` of sh (POSIX.1, test utility), asked of a ``Host``.

Answers are True, False, or None where only running the script would tell.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence

from postmill.api.host import Host
from postmill.detectors.readers.values import UNKNOWN

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "-eq": int.__eq__,
    "-ne": int.__ne__,
    "-lt": int.__lt__,
    "-le": int.__le__,
    "-gt": int.__gt__,
    "-ge": int.__ge__,
}
_KINDS = {"-f": stat.S_ISREG, "-d": stat.S_ISDIR, "-S": stat.S_ISSOCK, "-p": stat.S_ISFIFO}


def evaluate(host: Host, words: Sequence[str]) -> bool | None:
    """Answer a test; ``words`` are what stands between the brackets."""
    for operator, combine in (("-o", _either), ("-a", _both)):
        if operator in words[1:-1]:
            at = words.index(operator, 1)
            return combine(evaluate(host, words[:at]), evaluate(host, words[at + 1 :]))
    if words and words[0] == "!":
        answer = evaluate(host, words[1:])
        return None if answer is None else not answer
    if any(UNKNOWN in word for word in words):
        return None
    return _simple(host, words)


def _either(left: bool | None, right: bool | None) -> bool | None:
    if left or right:
        return True
    return None if None in (left, right) else False


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if None in (left, right) else True


def _simple(host: Host, words: Sequence[str]) -> bool | None:
    match len(words):
        case 0:
            return False
        case 1:
            return bool(words[0])
        case 2:
            return _unary(host, *words)
        case 3:
            return _binary(*words)
    return None


def _unary(host: Host, operator: str, word: str) -> bool | None:
    if operator in {"-n", "-z"}:
        return bool(word) is (operator == "-n")
    if not word.startswith("/"):
        return False if not word else None
    if operator in {"-h", "-L"}:
        return host.link(word) is not None
    if operator == "-x":
        status = host.status(word)
        return status is not None and (status.is_program or status.is_directory)
    if operator == "-s":
        return bool(host.read(word))
    if operator in {"-e", "-r", "-w"}:
        return host.exists(word)
    status = host.status(word)
    return None if operator not in _KINDS else status is not None and _KINDS[operator](status.mode)


def _binary(left: str, operator: str, right: str) -> bool | None:
    if operator in {"=", "==", "!="}:
        return (left == right) is (operator != "!=")
    if operator in _COMPARE and _is_number(left) and _is_number(right):
        return _COMPARE[operator](int(left), int(right))
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.lstrip("-").isdigit() and len(text) < 20
