"""The page ``docs/reference/side-by-side.md``, made from what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.filters.side_by_side.columns import COLUMNS, Seen, Side
from tests.filters.side_by_side.corpus import Letter
from tests.filters.side_by_side.differences import DIFFERENCES

FILE = Path(__file__).parents[3] / "docs" / "reference" / "side-by-side.md"
COMMAND = "python -m tests.filters.side_by_side"

HEAD = """\
<!-- Written by `{command}` from what it saw: change the filters or the messages there. -->

# Side by side

The same messages through five milters of Debian and through the filters of ours that take their place, before one spamd, one
clamd and one DNS: {count} messages, {pairs} pairs of answers. {same} are the same in verdict, reply and headers. The others,
marked with a number, differ on purpose, for the [{reasons} reasons](#differences) below; whatever else differed would fail
the test that makes this page.

The milters are SpamAssassin 4.0 with spamass-milter 0.4, ClamAV and clamav-milter 1.4, OpenDKIM 2.11 and OpenDMARC 1.4 of
Debian 12, and milter-greylist 4.6.2 of Debian 11. [How they are set up](#settings), and [what counts as the
same](#what-counts-as-the-same).

In the cells stands what became of the message: `passes` with what its new headers say, `held` in the quarantine, or the codes
it was refused with. Where the two differ, theirs comes first, then **ours**. `spf=other` is any result but `pass`. Greylisting
knows the senders of ordinary mail already, those of viruses have waited, those of spam are new to it.
"""

TAIL = """\
## What counts as the same

Compared are the verdict, each reply to the client with its codes and words, the reason of a quarantine, recipients that were
refused, sender, recipients, body, and every header that came or went. Made the same before that:

| filter | what |
|---|---|
| all | how a header is folded, where new headers stand beside old ones (results of authentication must be on top), and their order |
| clamav | in `X-Virus-Scanned`, the program's name and version, and the host |
| authentication | one `Authentication-Results` header or several; words of explanation; `header.a`, which OpenDKIM writes, and `arc` and `dkim-atps`; `DMARC-Filter`; the local part of `smtp.mailfrom` |
| authentication | SPF results other than `pass`: OpenDMARC says `fail` of most of them |
| greylist | in `X-Greylist`, the program's name and version, host and date; times in steps of ten minutes |

## Settings

| milter | its settings | ours |
|---|---|---|
| spamass-milter | `-m -r 15` | `reject_score = 15` |
| clamav-milter | `OnInfected Reject`, `RejectMsg Virus %v found`, `AddHeader Replace` | `file`: its clamav-milter.conf |
| OpenDKIM | `AlwaysAddARHeader yes` | `checks = ["dkim"]` |
| OpenDKIM, then OpenDMARC | `RejectFailures`, `HoldQuarantinedMessages`, `SPFSelfValidate`, `SPFIgnoreResults`, `RequiredHeaders`, `SoftwareHeader` | `dmarc_reject = "reject"`, `dmarc_quarantine = "quarantine"`, `bad_from = "reject"` |
| milter-greylist | a greylist.conf with `greylist 10m`, `subnetmatch /24` and seven rules; a dump file with what is known | `file`: its greylist.conf; the dump by `postmill greylist import` |
"""


def page(letters: Sequence[Letter], seen: Seen) -> str:
    """Return the page."""
    numbers = {why: number for number, why in enumerate(dict.fromkeys(one.why for one in DIFFERENCES), 1)}
    same = sum(theirs.lines == ours.lines for theirs, ours in seen.values())
    head = HEAD.format(command=COMMAND, count=len(letters), pairs=len(seen), same=same, reasons=len(numbers))
    parts = [head]
    for kind in dict.fromkeys(letter.kind for letter in letters):
        parts += [f"## {kind}\n", table([one for one in letters if one.kind == kind], seen, numbers)]
    parts += ["## Differences\n", "\n".join(differences(numbers)) + "\n", TAIL]
    return "\n".join(parts)


def table(letters: Sequence[Letter], seen: Seen, numbers: Mapping[str, int]) -> str:
    """Return the table of one kind of messages."""
    names = [f"{column.milter}<br>{column.name}" for column in COLUMNS]
    rows = [["message", *names], ["---"] * (1 + len(names))]
    for letter in letters:
        cells = (
            cell(letter.name, column.name, seen[letter.name, column.name], numbers) for column in COLUMNS
        )
        rows.append([letter.name, *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cell(letter: str, column: str, sides: tuple[Side, Side], numbers: Mapping[str, int]) -> str:
    """Return a cell: what both did or, where they differ, what each did, and the number of the reason."""
    theirs, ours = sides
    shown = theirs.shown if theirs.shown == ours.shown else f"{theirs.shown} / **{ours.shown}**"
    marks = (
        f" [{numbers[one.why]}](#differences)"
        for one in DIFFERENCES
        if one.column == column and letter in one.letters
    )
    return shown + "".join(marks)


def differences(numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield the reasons, numbered."""
    for why, number in numbers.items():
        yield f"{number}. {why}"
