"""The same mail through the real milters and through our filters, cell by cell, and the page that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.filters.side_by_side.columns import COLUMNS, Seen, see
from tests.filters.side_by_side.corpus import Letter, letters
from tests.filters.side_by_side.differences import DIFFERENCES, between
from tests.filters.side_by_side.page import COMMAND, FILE, page
from tests.filters.side_by_side.stand import standing
from tests.stack import peers

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]
NAMES = [column.name for column in COLUMNS]


@dataclass(frozen=True)
class Show:
    """All letters, and what became of them."""

    letters: Sequence[Letter]
    seen: Seen


@pytest.fixture(scope="module")
def show() -> Iterator[Show]:
    peers.require()
    made = letters()
    with standing(made) as stand:
        yield Show(made, see(stand, made))
        stand.assert_healthy()


@pytest.mark.parametrize("column", NAMES)
def test_they_do_the_same_but_for_what_is_meant(column: str, show: Show) -> None:
    """A difference that went away fails, as does one that is new."""
    found = {letter: between(*sides) for (letter, of), sides in show.seen.items() if of == column}
    meant = {
        letter: (one.theirs, one.ours)
        for one in DIFFERENCES
        if one.column == column
        for letter in one.letters
    }
    assert {letter: lines for letter, lines in found.items() if lines != ((), ())} == meant


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        ("spamassassin", {"passes, ham", "passes, spam", "passes, not looked at", "550 5.7.1"}),
        ("clamav", {"passes, clean", "passes, no headers", "550 5.7.1"}),
        ("greylist", {"passes, known", "passes, 40 min late", "451 4.7.1, 10 min", "551 5.7.1"}),
        ("authentication: DKIM", {"dkim=pass", "dkim=fail", "dkim=none", "dkim=fail, dkim=pass"}),
        ("authentication: SPF, DMARC", {"550 5.7.1", "spf=pass, dmarc=pass", "held: spf=other, dmarc=fail"}),
    ],
)
def test_the_messages_make_the_milters_do_all_they_can(column: str, kinds: set[str], show: Show) -> None:
    assert kinds <= {theirs.shown for (_, of), (theirs, _) in show.seen.items() if of == column}


def test_each_name_is_of_one_letter(show: Show) -> None:
    assert len({letter.name for letter in show.letters}) == len(show.letters) >= 40


def test_the_page_shows_what_was_seen(show: Show) -> None:
    assert page(show.letters, show.seen) == FILE.read_text(), f"stale; as root: .venv/bin/{COMMAND}"
