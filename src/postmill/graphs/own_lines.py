"""Our own lines about messages, read back: a record out of JSON is whole, one out of words has what they say.

Words (``daemon.logs.describe``) have no stages and no names of headers: a child's time is that of all stages
together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice

from postmill.record import Answer, ChildRecord, Decision, MessageRecord

ALL_STAGES = "all-stages"
_ADDRESS = r'(?:<(?:[^"<>]|"(?:[^"\\]|\\.)*")*>|[^\s,]*)'
_HEAD = re.compile(
    r"(?P<id>\S+): (?:client=\S*\[[^\]]*\] )?"
    rf"(?:from=(?P<sender>{_ADDRESS}) to=(?:{_ADDRESS}(?:,{_ADDRESS})*)? )?"
    r"verdict=(?P<verdict>[a-z]+)(?: at (?P<stage>[a-z-]+))?(?: by (?P<by>[\w-]+))?(?= |$)"
)
_WORD = r"[a-z-]+(?::[\w-]+)?"
_CHILD = rf" [A-Za-z0-9][\w-]*(?:\(evaluated\))?=(?:skipped\(|{_WORD}/\d)"
_ITEM = re.compile(
    r" (?P<name>[A-Za-z0-9][\w-]*)(?P<evaluated>\(evaluated\))?="
    rf"(?:skipped\((?P<condition>[^:()]+): .*?\)|(?P<verdict>{_WORD})/(?P<ms>\d+\.\d)ms(?:\(.*?\))?)"
    rf"(?: [a-z-]+:\d+)*(?={_CHILD}|$)"
)
_QUOTE = re.compile('"(?= |$)')
_TEXTS = (' reply="', ' held="')
_MOST_QUOTES = 50
"""Quotation marks in a text after which its end is looked for."""
_SILENT = "not-asked"


def record_of(text: str) -> MessageRecord | None:
    """Return the record that a line is about; None when it is about no message."""
    if text.startswith("{"):
        try:
            return MessageRecord.from_dict(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
    head = _HEAD.match(text)
    if head is None:
        return None
    record = MessageRecord(sender=head["sender"], verdict=head["verdict"], by=head["by"] or "")
    record.stage = head["stage"] or ""
    for place in _beginnings(text, head.end()):
        items = _items(text, place)
        if items is not None:
            record.children = {child.name: child for child in map(_child, items)}
            break
    return record


def _beginnings(text: str, place: int) -> Iterator[int]:
    """Yield where the children may begin: at once or, after what the mail server was told, behind a quote."""
    if not text.startswith(_TEXTS, place):
        yield place
        return
    quotes = (found.end() for found in _QUOTE.finditer(text, place + len(_TEXTS[1])))
    yield from islice(quotes, _MOST_QUOTES)


def _items(text: str, place: int) -> list[re.Match[str]] | None:
    """Return the children up to the end of a line; None when there is something else."""
    items: list[re.Match[str]] = []
    while item := _ITEM.match(text, place):
        items.append(item)
        place = item.end()
    return items if place == len(text) else None


def _child(item: re.Match[str]) -> ChildRecord:
    child = ChildRecord(item["name"], evaluated=bool(item["evaluated"]))
    condition, verdict = item["condition"], item["verdict"]
    if condition:
        child.conditions[condition] = Decision(condition, False, "")
    elif verdict != _SILENT:
        child.answers.append(Answer(ALL_STAGES, verdict, float(item["ms"])))
    return child
