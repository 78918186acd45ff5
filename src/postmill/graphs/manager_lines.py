"""The lines that milter-manager logs on its level "statistics", counted in our words.

It says how each session and each of its milters ended, and which headers milters added; its times begin with
the connection, so they are none of a milter, and are not counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from postmill.record import Tally
from postmill.record.findings import findings_of
from postmill.record.tally import MOST_TAGS

_PREFIX = "[statistics] "
_WORDS = {"pass": "accept", "temporary-failure": "tempfail", "abort": "aborted", "not-change": "accept"}
_BEFORE_MAIL = ("start", "negotiate", "define-macro", "connect", "helo", "invalid")
_STOPPED = "stop"


def counter_of(text: str) -> Callable[[Tally], None] | None:
    """Return what counts a line into a tally; None when it says nothing that is counted."""
    if text.startswith(_PREFIX):
        for pattern, counted in _LINES:
            if found := pattern.fullmatch(text, len(_PREFIX)):
                words = found.groups()
                return lambda tally: counted(tally, *words)
    return None


def _session(tally: Tally, state: str, status: str, seconds: str) -> None:
    _old_session(tally, seconds)
    counts = tally.connections if state in _BEFORE_MAIL else tally.messages
    _add(counts, _WORDS.get(status, status))


def _disconnected(tally: Tally) -> None:
    _add(tally.connections, "disconnected")


def _reply(tally: Tally, state: str, status: str) -> None:
    if status != "continue":
        _add(tally.messages, _WORDS.get(status, status))
    elif state == "end-of-message":
        _add(tally.messages, "accept")


def _abort(tally: Tally) -> None:
    _add(tally.messages, "aborted")


def _old_session(tally: Tally, seconds: str) -> None:
    tally.sessions += 1
    tally.open_seconds += float(seconds)


def _milter(tally: Tally, state: str, status: str, name: str) -> None:
    child = tally.child(name)
    if status == _STOPPED:
        _add(child.verdicts, "skipped")
        _add(child.skipped, f"stopped at {state}")
        return
    child.asked += 1
    if status == "error":
        _add(child.verdicts, "lost")
        _add(child.errors, status)
    else:
        _add(child.verdicts, "continue" if status in ("pass", "not-change") else _WORDS.get(status, status))


def _header(tally: Tally, name: str, value: str, milter: str) -> None:
    if name in tally.tagged or len(tally.tagged) < MOST_TAGS:
        _add(tally.tagged, name)
    for finding in set(findings_of(name, value)):
        _add(tally.findings, finding)
        _add(tally.child(milter).findings, finding)


def _add(counts: dict[str, int], word: str) -> None:
    counts[word] = counts.get(word, 0) + 1


_SECONDS = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"  # as %g writes them
_TAG = r"\(\d+\)"
_LINES: tuple[tuple[re.Pattern[str], Callable[..., None]], ...] = tuple(
    (re.compile(pattern), counted)
    for pattern, counted in (
        (rf"\[milter\]\[end\]\[([\w-]+)\]\[([\w-]+)\]\[[^\]]*\]{_TAG}: (.+)", _milter),
        (rf"\[milter\]\[header\]\[add\]{_TAG}: <([^>]+)>=<(.*)>: ([^>]+)", _header),
        (rf"\[session\]\[end\]\[([\w-]+)\]\[([\w-]+)\]\[{_SECONDS}\]{_TAG}", _session),
        (rf"\[session\]\[end\]\[{_SECONDS}\]{_TAG}", _old_session),
        (rf"\[session\]\[disconnected\]\[[^\]]*\]{_TAG}", _disconnected),
        (r"\[reply\]\[([\w-]+)\]\[([\w-]+)\]", _reply),
        (r"\[abort\]\[[\w-]+\]", _abort),
    )
)
