"""The bench of the history on a small one: every question finds what is there, and the figures come out."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path

from bench.history import DAYS, main, prepare, questions
from bench.history_mail import queue_id, records
from postmill.history import History, Selection, open_database

END = 1_800_000_000.0
BEGIN = END - DAYS * 86400


def test_the_same_mail_every_time_and_each_different() -> None:
    first = list(records(50, BEGIN, 60))
    assert first == list(records(50, BEGIN, 60))
    assert len({record.queue_id for record in first}) == len({record.message_id for record in first}) == 50


def test_what_is_asked_for_is_there(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/history.db"
    facts = prepare(url, 400, BEGIN, END)
    assert facts["bytes of a record"] > 100
    with closing(History(open_database(url, writes=False))) as history:
        assert len(history.latest(Selection(), 1000)) == 400
        assert sum(history.tally(BEGIN, END).messages.values()) == 400
        (entry,) = history.latest(Selection(text=queue_id(7)), 10)
        assert BEGIN < entry.record.time < END
        answers = {name: ask(history, random.Random(1)) for name, ask in questions(400, BEGIN, END).items()}
    for name in ("by queue id", "by Message-ID", "by @domain", "verdict reject", "by milter"):
        assert answers[name], name


def test_figures_are_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    main(["--records", "200", "--times", "2", "--json", str(file)])
    figures = json.loads(file.read_text())
    assert len(figures["by queue id"]) == 3
    assert figures["µs to remove a record"] > 0
