"""``verdict-of``: what a milter before has said, and what it has added."""

from __future__ import annotations

from typing import Any

import pytest

from postmill.api import Apply, Skip, Verdicts
from postmill.conditions.verdict_of import WORDS, verdict_of
from postmill.testing.conditions import decide
from postmill.testing.nouns import message
from postmill.testing.settings import settings_of

SETTINGS: list[dict[str, Any]] = [
    {"milter": "rspamd", "verdicts": ["reject", "tempfail"]},
    {"milter": "rspamd", "header": "X-Spam"},
    {"milter": "rspamd", "verdicts": ["continue"], "header": "x-spam"},
]


def said(settings: dict[str, Any], of: dict[str, str], **edited: tuple[str, ...]) -> Any:
    return decide(verdict_of, message(), {Verdicts: Verdicts(of, edited)}, **settings)


def test_the_verdict() -> None:
    assert said(SETTINGS[0], {"rspamd": "reject", "other": "continue"}) == Apply("rspamd said reject")
    assert said(SETTINGS[0], {"rspamd": "continue"}) == Skip("rspamd said continue, not reject or tempfail")


def test_a_milter_that_was_not_asked_before() -> None:
    for settings in SETTINGS:
        assert said(settings, {"other": "reject"}) == Skip("rspamd was not asked before this milter")


def test_the_header() -> None:
    marked = {"rspamd": ("X-Spam", "X-Spam-Level")}
    assert said(SETTINGS[1], {"rspamd": "continue"}, **marked) == Apply(
        "rspamd said continue and set the header X-Spam"
    )
    assert said(SETTINGS[1], {"rspamd": "continue"}, other=("X-Spam",)) == Skip(
        "rspamd did not add or change the header X-Spam"
    )
    assert isinstance(said(SETTINGS[2], {"rspamd": "continue"}, **marked), Apply)
    assert isinstance(said(SETTINGS[2], {"rspamd": "accept"}, **marked), Skip)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_may_be_asked_for(word: str) -> None:
    settings = {"milter": "rspamd", "verdicts": [word]}
    assert isinstance(said(settings, {"rspamd": word}), Apply)
    assert isinstance(said(settings, {"rspamd": next(other for other in WORDS if other != word)}), Skip)


def test_a_word_that_is_none_is_found_at_load() -> None:
    with pytest.raises(ValueError, match=r'must be "continue", .* not "rejected"'):
        settings_of(verdict_of, milter="rspamd", verdicts=["rejected"])
