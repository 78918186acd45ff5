"""The columns of the page: a milter, the filter of ours that takes its place, and how an answer is read and shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from postmill.testing.outcome import MailReport
from tests.filters.side_by_side import reading
from tests.filters.side_by_side.corpus import Letter
from tests.filters.side_by_side.stand import Stand, ask, ask_in_turn

Ask = Callable[[Stand, Letter], MailReport]


@dataclass(frozen=True)
class Side:
    """What one program did with one message: to compare, and to show."""

    lines: tuple[str, ...]
    shown: str


@dataclass(frozen=True)
class Column:
    """One comparison."""

    name: str
    """Our filter; with what it is asked to check where there are two of it."""
    milter: str
    theirs: Ask
    ours: Ask
    read: reading.Reading
    show: Callable[[MailReport], str]

    def play(self, stand: Stand, letter: Letter) -> tuple[Side, Side]:
        """Send a letter to both; return theirs, ours."""
        return self._side(self.theirs(stand, letter)), self._side(self.ours(stand, letter))

    def _side(self, report: MailReport) -> Side:
        shown = self.show(report) if reading.went_on(report) else refusal(report.reply)
        return Side(tuple(self.read(report)), shown)


def refusal(reply: bytes) -> str:
    """Show a refusal: its codes, and how long to wait where it says that."""
    words = reply.decode().split(None, 2)
    wait = re.search(r"\d\d:\d\d:\d\d", words[2])
    return " ".join(words[:2]) + (f", {_minutes(wait[0])}" if wait else "")


def _minutes(time: str) -> str:
    return f"{reading.minutes(time)} min"


def _values(report: MailReport, name: bytes) -> list[str]:
    """Return the values of a header, in their order."""
    return [value.decode().strip() for field, value in report.new_headers if field.lower() == name]


def spam(report: MailReport) -> str:
    """Show what SpamAssassin's headers say."""
    status = _values(report, b"x-spam-status")
    return f"passes, {'not looked at' if not status else 'spam' if status[0].startswith('Yes') else 'ham'}"


def virus(report: MailReport) -> str:
    """Show what ClamAV's header says."""
    status = _values(report, b"x-virus-status")
    return f"passes, {status[0].lower() if status else 'no headers'}"


def words(report: MailReport, *methods: str) -> str:
    """Show results of an Authentication-Results, each in a word or two."""
    lines = [line for method in methods for line in reading.results(report, method)]
    found = [line.split()[1] for line in lines] if lines else ["nothing said"]
    return ", ".join(one.replace("=not", "=other") for one in found)


def dkim(report: MailReport) -> str:
    """Show the results of DKIM."""
    return words(report, "dkim")


def dmarc(report: MailReport) -> str:
    """Show the results of SPF and DMARC."""
    return ("held: " if report.status == "quarantine" else "") + words(report, "spf", "dmarc")


def greylist(report: MailReport) -> str:
    """Show what greylisting says of mail that it lets through, and for how many."""
    said = ["", *_values(report, b"x-greylist")][-1]
    late = re.search(r"Delayed for (\S+)", said)
    reasons = (word for text, word in WHY.items() if text in said)
    why = f"{_minutes(late[1])} late" if late else next(reasons, "for another reason")
    some = f"{len(report.recipients)} of {len(report.mail.recipients)} pass" if report.refused else "passes"
    return f"{some}, {why}"


WHY = {
    "auto-whitelisted": "known",
    "passed SPF": "SPF",
    "SMTP AUTH": "login",
    "Sender e-mail whitelisted": "white list",
}
"""Words in X-Greylist, and what is shown for them."""

COLUMNS = (
    Column(
        "spamassassin",
        "spamass-milter",
        lambda stand, letter: ask(stand.spamass_milter.endpoint, letter),
        lambda stand, letter: ask(stand.spamassassin.endpoint, letter),
        reading.plainly,
        spam,
    ),
    Column(
        "clamav",
        "clamav-milter",
        lambda stand, letter: ask(stand.clamav_milter.endpoint, letter),
        lambda stand, letter: ask(stand.clamav.endpoint, letter),
        reading.without_scanner,
        virus,
    ),
    Column(
        "authentication: DKIM",
        "OpenDKIM",
        lambda stand, letter: ask(stand.opendkim.endpoint, letter),
        lambda stand, letter: ask(stand.dkim.endpoint, letter),
        reading.signatures,
        dkim,
    ),
    Column(
        "authentication: SPF, DMARC",
        "OpenDMARC",
        lambda stand, letter: ask_in_turn(stand.opendkim, stand.opendmarc, letter),
        lambda stand, letter: ask(stand.dmarc.endpoint, letter),
        reading.policies,
        dmarc,
    ),
    Column(
        "greylist",
        "milter-greylist",
        lambda stand, letter: ask(stand.milter_greylist.endpoint, letter),
        lambda stand, letter: ask(stand.greylist.endpoint, letter),
        reading.without_greylister,
        greylist,
    ),
)

Seen = dict[tuple[str, str], tuple[Side, Side]]
"""What both did, theirs and ours, by letter and column."""


def see(stand: Stand, letters: Sequence[Letter]) -> Seen:
    """Put all letters through all columns, in each one after the other; columns side by side."""

    def down(column: Column) -> Seen:
        return {(letter.name, column.name): column.play(stand, letter) for letter in letters}

    with ThreadPoolExecutor(len(COLUMNS)) as threads:
        return {place: sides for part in threads.map(down, COLUMNS) for place, sides in part.items()}
