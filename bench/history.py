"""`python -m bench.history`: how long questions to a large history take, and what it takes to write it.

A history is filled with records of thirty days (`--records`, a million), then asked what `explain`, `tail`,
`report` and the graphs ask, each time about somebody or something else. Shown are percentiles of the
milliseconds that one answer took, records as values included. `--postgresql` does it with a server of its own
(as root).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.table import Table

from bench.history_mail import CHILDREN, DOMAINS, address, message_id, queue_id, records, sender
from postmill.history import Batch, History, Limits, Selection, keep_within, open_database
from postmill.history.databases import Database
from postmill.history.writing import write
from postmill.record import MessageRecord
from tests.filters.beside import a_box
from tests.stores.servers import PostgresServer

DAYS = 30
AT_ONCE = 200
TARGET = 200.0
PAGE = 50
"""Messages on a page of answers."""
Question = Callable[[History, random.Random], object]


def questions(count: int, begin: float, end: float) -> dict[str, Question]:
    """Return what is asked, by its name."""

    def latest(**what: object) -> Callable[[History], object]:
        return lambda history: history.latest(Selection(**what), PAGE)  # type: ignore[arg-type]

    def domain(luck: random.Random) -> str:
        return f"@{luck.choice(DOMAINS)}"

    return {
        "by queue id": lambda h, luck: latest(text=queue_id(luck.randrange(count)))(h),
        "by Message-ID": lambda h, luck: latest(text=message_id(luck.randrange(count)))(h),
        "what is not there": lambda h, luck: latest(text=f"none{luck.random()}@example.org")(h),
        "by recipient": lambda h, luck: latest(text=address(luck))(h),
        "by sender": lambda h, luck: latest(text=sender(luck))(h),
        "by @domain": lambda h, luck: latest(text=domain(luck))(h),
        "verdict reject": lambda h, luck: latest(verdict="reject")(h),
        "verdict accept": lambda h, luck: latest(verdict="accept")(h),
        "by milter": lambda h, luck: latest(child=luck.choice(CHILDREN))(h),
        "milter said reject": lambda h, luck: latest(child="spamassassin", child_verdict="reject")(h),
        "@domain, verdict, milter": lambda h, luck: latest(
            text=domain(luck), verdict=luck.choice(("reject", "discard")), child=luck.choice(CHILDREN)
        )(h),
        "recipient, verdict": lambda h, luck: latest(text=address(luck), verdict="discard")(h),
        "@domain, verdict, milter that never meet": lambda h, luck: latest(
            text=domain(luck), verdict="discard", child="greylist", child_verdict="reject"
        )(h),
        "verdict, milter that never meet": lambda h, luck: latest(
            verdict="discard", child="greylist", child_verdict="tempfail"
        )(h),
        "@domain on one day of the past": lambda h, luck: latest(
            text=domain(luck), since=(at := luck.uniform(begin, end - 86400)), until=at + 86400
        )(h),
        "verdict, after a row": lambda h, luck: h.after(
            int(luck.uniform(begin, end) * 1e6), Selection(verdict="discard"), PAGE
        ),
        "the newest, polling": lambda h, luck: h.after(h.last_row() - 2_600_000 * 20, Selection(), PAGE),
        "nothing new, polling": lambda h, luck: h.after(h.last_row(), Selection(verdict="reject"), PAGE),
        "counts of 24 hours": lambda h, luck: h.tally(end - 86400, end),
        "counts of 30 days": lambda h, luck: h.tally(begin, end),
        "counts of 30 days, by the hour": lambda h, luck: h.tallies(begin, end, 3600),
    }


def fill(database: Database, count: int, begin: float, end: float) -> float:
    """Write the records as if they had come then; return seconds per record."""
    step = (end - begin) / count
    stream = records(count, begin, step)
    spent = 0.0
    with mock.patch("postmill.history.writing.time.time") as now:
        while some := list(islice(stream, AT_ONCE)):
            batches = _batches(some)
            now.return_value = some[-1].time
            started = time.perf_counter()
            write(database, batches, "mx1", "keep", b"k" * 32)
            spent += time.perf_counter() - started
    return spent / count


def _batches(some: Sequence[MessageRecord]) -> list[Batch]:
    batches: list[Batch] = []
    for record in some:
        start = int(record.time) // 60 * 60
        if not batches or batches[-1].start != start:
            batches.append(Batch(start))
        batches[-1].records.append(record)
        batches[-1].tally.add(record, record.time)
    return batches


def ask(url: str, question: Question, times: int) -> list[float]:
    """Return the milliseconds of each answer, in order."""
    luck = random.Random(7)
    spent: list[float] = []
    with closing(History(open_database(url, writes=False))) as history:
        for _ in range(times):
            started = time.perf_counter()
            question(history, luck)
            spent.append((time.perf_counter() - started) * 1000)
    return sorted(spent)


@contextmanager
def somewhere(options: argparse.Namespace) -> Iterator[str]:
    """Yield the URL of a history."""
    if options.url:
        yield options.url
    elif options.postgresql:
        with a_box("bench-postgresql-") as box:
            server = PostgresServer(box.directory.parent)
            server.start()
            try:
                yield server.url
            finally:
                server.stop()
    else:
        with tempfile.TemporaryDirectory(prefix="bench-history-") as directory:
            yield f"sqlite:{directory}/history.db"


def prepare(url: str, count: int, begin: float, end: float) -> dict[str, float]:
    """Fill an empty history; return what that took."""
    with closing(open_database(url, writes=True)) as database:
        if database.rows("SELECT 1 FROM {p}messages LIMIT 1"):
            return {}
        each = fill(database, count, begin, end)
        for _ in range(100):  # as the minutes go by
            keep_within(database, Limits(), end)
        return {"µs to write a record": each * 1e6, "bytes of a record": database.size() / count}


def removal(url: str, count: int, begin: float, end: float) -> float:
    """Remove the oldest hundredth; return the microseconds for each message."""
    oldest = begin + (end - begin) / 100
    with closing(open_database(url, writes=True)) as database:
        started = time.perf_counter()
        keep_within(database, Limits(keep=end - oldest), end)
        return (time.perf_counter() - started) / (count / 100) * 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, ask, print; the status is 1 when a question took longer than the target."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument(
        "--times", type=int, default=50, help="how often each is asked (default: %(default)s)"
    )
    parser.add_argument("--postgresql", action="store_true", help="in PostgreSQL instead of SQLite")
    parser.add_argument("--url", help="a history that stays; filled when it is empty")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    end = 1_800_000_000.0
    begin = end - DAYS * 86400
    shown = Table("question", "p50 ms", "p95 ms", "p99 ms")
    figures: dict[str, object] = {}
    late = False
    with somewhere(options) as url:
        facts = prepare(url, options.records, begin, end)
        for name, question in questions(options.records, begin, end).items():
            spent = ask(url, question, options.times)
            p50, p95, p99 = (spent[int(share * (len(spent) - 1))] for share in (0.5, 0.95, 0.99))
            shown.add_row(name, f"{p50:.1f}", f"{p95:.1f}", f"{p99:.1f}")
            figures[name] = (p50, p95, p99)
            late = late or p95 > TARGET
        facts["µs to remove a record"] = removal(url, options.records, begin, end)
    Console().print(shown)
    for name, number in facts.items():
        print(f"{name}: {number:.0f}")
    if options.json:
        options.json.write_text(json.dumps({**figures, **facts}, indent=1))
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
