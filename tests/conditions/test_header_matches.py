"""``header-matches``: text and regular expressions, as written and as read, one or all of them."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip
from postmill.conditions.header_matches import header_matches
from postmill.testing.conditions import decide
from postmill.testing.nouns import head
from postmill.testing.settings import settings_of

SETTINGS: list[dict[str, Any]] = [
    {"header": "Subject", "patterns": ["invoice", "/^re: [0-9]+$/"]},
    {"header": "Subject", "patterns": ["invoice", "/urgent/"], "match": "all"},
    {"header": "List-Id"},
]
ANY, ALL, THERE = SETTINGS


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("Your INVOICE of May", Apply('the header Subject has "invoice"')),
        ("Re: 123", Apply("the header Subject has /^re: [0-9]+$/")),
        ("  Re: 123  ", Apply("the header Subject has /^re: [0-9]+$/")),
        ("Re: 123 x", Skip('no header Subject has "invoice", nor 1 more')),
        ("", Skip('no header Subject has "invoice", nor 1 more')),
        ("=?utf-8?b?WW91ciBJbnZvaWNl?=", Apply('the header Subject has "invoice"')),
        ("=?utf-8?q?Your_in?=\r\n =?utf-8?q?voice?=", Apply('the header Subject has "invoice"')),
        ("Your\r\n\tinvoice", Apply('the header Subject has "invoice"')),
        ("=?x-none?q?invoice?=", Apply('the header Subject has "invoice"')),  # as it is written
    ],
)
def test_any(subject: str, said: Apply | Skip) -> None:
    assert decide(header_matches, head(f"Subject: {subject}"), **ANY) == said


def test_all() -> None:
    assert decide(header_matches, head("Subject: Urgent invoice"), **ALL) == Apply(
        'the header Subject has "invoice"'
    )
    assert decide(header_matches, head("Subject: invoice"), **ALL) == Skip("no header Subject has /urgent/")
    assert decide(header_matches, head("Subject: hello"), **ALL) == Skip('no header Subject has "invoice"')


def test_several_headers_of_the_name() -> None:
    both = head("Subject: invoice", "subject: urgent", "X-Other: x")
    assert isinstance(decide(header_matches, both, **ALL), Apply)


def test_that_there_is_a_header() -> None:
    assert decide(header_matches, head("list-id:"), **THERE) == Apply("there is a header List-Id")
    assert decide(header_matches, head("X-List-Id: a"), **THERE) == Skip("there is no header List-Id")
    assert decide(header_matches, head("X: invoice"), **ANY) == Skip("there is no header Subject")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"header": "Subject", "patterns": ["/[/"]}, "is no regular expression: unterminated character set"),
        ({"header": "Sub ject"}, "header: must be the name of a header"),
        ({"header": "Subject:"}, "header: must be the name of a header"),
        ({"header": ""}, "header: must be the name of a header"),
        ({"header": "Subject", "patterns": ["a\nb"]}, "must be some text, or a regular expression"),
        ({"header": "Subject", "patterns": [""]}, "must be some text, or a regular expression"),
    ],
)
def test_mistakes_are_found_at_load(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        settings_of(header_matches, **settings)
