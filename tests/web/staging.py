"""A mail host to look at: a daemon with its dashboard, milters of every kind, and mail, hostile mail too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from postmill.history import Batch, open_database
from postmill.history.writing import write
from postmill.record import Answer, ChildRecord, MessageRecord, Recipient
from postmill.record.change import Change
from postmill.testing.child import ScriptedChild
from postmill.testing.load import send_session
from postmill.testing.plan import Client, Mail, SessionPlan
from postmill.testing.plan import Recipient as To
from postmill.testing.script import Delay, Rule, Script
from postmill.testing.words import edit, reply
from postmill.web.passwords import hash_password
from postmill.wire.endpoint import parse_endpoint
from tests.daemon.running import Daemon

PASSWORD = "correct horse battery staple"
HOSTILE = b"<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\x1b[31m\xe2\x80\xae"
"""What must appear as it is written, or as an escape, and do nothing."""


@cache
def hashed() -> str:
    return hash_password(PASSWORD)


@dataclass(slots=True)
class Stage:
    """The daemon, and where its dashboard is."""

    daemon: Daemon
    url: str

    def send(self, *mails: Mail, client: Client | None = None) -> None:
        plan = SessionPlan(client=client or Client(b"mail.example.com", address=b"192.0.2.7"), mails=mails)
        with ThreadPoolExecutor(1) as thread:  # a browser's test has an event loop in its own
            thread.submit(send_session, parse_endpoint(self.daemon.endpoint), plan).result()


def spam_script() -> Script:
    gtube = Rule("B", (reply("550 5.7.1 Spam: GTUBE test line"),), containing=b"GTUBE")
    tag = (Delay(0.03), edit("add-header:X-Spam-Status:No, score=0.4"), reply("continue"))
    return Script(rules=[gtube, Rule("E", tag)])


@contextmanager
def stage(**web: Any) -> Iterator[Stage]:
    """A daemon with its dashboard on a free port of loopback."""
    with ExitStack() as stack:
        milters: dict[str, dict[str, Any]] = {}
        refuse = Rule(
            "R", (reply("451 4.7.1 Greylisted, come back in 5 minutes"),), containing=b"new@example.org"
        )
        hostile = (reply("550 5.7.1 <b>no</b> 'such' \"user\""),)
        odd = Rule("M", hostile, containing=b"refused.example")
        scripts = {
            "opendkim": (Script(), {}),
            "greylist": (Script(rules=[refuse, odd]), {}),
            "spam": (spam_script(), {}),
            "virus-trial": (
                Script(rules=[Rule("B", (reply("550 5.7.1 Virus Eicar found"),), containing=b"EICAR")]),
                {"mode": "evaluate"},
            ),
        }
        for name, (script, more) in scripts.items():
            child = stack.enter_context(ScriptedChild(script))
            milters[name] = {"socket": str(child.endpoint), **more}
        milters["gone"] = {"socket": "unix:/nonexistent/gone.sock", "on_error": "accept"}
        daemon = Daemon(milters, workers=1)
        users = [
            {"name": "anna", "role": "operator", "password": hashed()},
            {"name": "bert", "role": "viewer", "password": hashed()},
        ]
        daemon.tables["web"] = {"listen": ["inet:0@127.0.0.1"], "user": users, **web}
        daemon.tables["history"] = {"url": f"sqlite:{daemon.directory}/history.db"}
        stack.enter_context(daemon)
        yield Stage(daemon, address(daemon))


def address(daemon: Daemon, count: int = 1) -> str:
    """Where the dashboard says that it is, the last time of so many."""
    daemon.wait_log("dashboard: http", count)
    return daemon.log.rpartition("dashboard: ")[2].split()[0].rstrip(",/")


def fill(one: Stage) -> None:
    """Send mail of each kind."""
    plain = Mail(sender=b"<newsletter@shop.example>", queue_id=b"4XkPL1", body=b"Hello.\r\n")
    one.send(plain)
    one.send(
        replace(
            plain,
            sender=b"<offers@spam.example>",
            queue_id=b"4XkSP2",
            headers=((b"Subject", b" GTUBE"),),
            body=b"GTUBE\r\n",
        )
    )
    one.send(replace(plain, queue_id=b"4XkGR3", recipients=(To(b"<new@example.org>"),)))
    one.send(replace(plain, queue_id=b"4XkEV4", sender=b"<" + HOSTILE + b"@evil.example>"))
    one.send(replace(plain, queue_id=b"4XkRE6", sender=b"<eve@refused.example>"))
    one.send(replace(plain, queue_id=b"4XkVI5", headers=((b"Subject", b" EICAR"),), body=b"EICAR\r\n"))


def write_past(url: str, hours: float, per_hour: int, now: float | None = None) -> int:
    """Write a history of so many hours through the real writer, so that charts have something to show."""
    random = Random(5)
    now = time.time() if now is None else now
    records = 0
    with closing(open_database(url, writes=True)) as database:
        minute = int(now - hours * 3600) // 60 * 60
        batches: list[Batch] = []
        while minute < now - 60:
            batch = Batch(minute)
            day = 1 + 0.7 * _swing(minute)
            for number in range(round(per_hour / 60 * day * random.uniform(0.7, 1.3))):
                record = _record(random, minute + number % 60, records)
                batch.records.append(record)
                batch.tally.add(record, record.time)
                records += 1
            batch.tally.sessions = len(batch.records)
            batches.append(batch)
            minute += 60
            if len(batches) == 60:
                write(database, batches, "mx1.example.org", "keep", b"k" * 32)
                batches = []
        write(database, batches, "mx1.example.org", "keep", b"k" * 32)
    return records


def _swing(moment: float) -> float:
    """Little at night, much at noon."""
    hour = moment / 3600 % 24
    return 1 - abs(hour - 13) / 6.5 if abs(hour - 13) < 13 else -1


PEOPLE = ("anna", "info", "orders", "bert", "support", "carla")
SENDERS = ("newsletter@shop.example", "carol@partner.example", "noreply@bank.example", "dave@friends.example",
           "win@lottery.example", "bounce@lists.example")  # fmt: skip


def _record(random: Random, moment: float, number: int) -> MessageRecord:
    fate = random.random()
    record = MessageRecord(
        session=f"1.{number:X}",
        queue_id=f"4Xk{number:06X}",
        message_id=f"<{number}@mail.example>",
        size=random.randrange(900, 90_000),
        time=moment,
        client_name="mail.example.com",
        client_address=f"192.0.2.{number % 250}",
        helo="mail.example.com",
        sender=f"<{random.choice(SENDERS)}>",
        recipients=[Recipient(f"<{random.choice(PEOPLE)}@example.org>", "continue")],
        stage="end-of-message",
        verdict="accept",
        ms=random.lognormvariate(5, 0.6),
    )
    opendkim = _child(random, "opendkim", 3)
    greylist = _child(random, "greylist", 0.6)
    spam = _child(random, "spam", 190)
    trial = _child(random, "virus-trial", 45)
    trial.evaluated = True
    children = [opendkim, greylist, spam, trial]
    if fate < 0.06:
        _decide(
            record, greylist, children, "tempfail", "451 4.7.1 Greylisted, come back in 5 minutes", "rcpt"
        )
    elif fate < 0.17:
        _decide(record, spam, children, "reject", "550 5.7.1 Spam: 17.3 points", "end-of-message")
    elif fate < 0.18:
        spam.answers[-1] = Answer("end-of-message", "lost:timeout", 300.0, "no answer in time")
    else:
        spam.changes = [Change("add-header", "X-Spam-Status", "", "No, score=0.4 required=5.0")]
        spam.edits = {"add-header": 1}
    if fate > 0.985:
        record.verdict, record.held = "quarantine", "looks odd"
    record.children = {child.name: child for child in children}
    return record


def _child(random: Random, name: str, ms: float) -> ChildRecord:
    stages = (("connect", 0.3), ("helo", 0.2), ("mail", 0.3), ("rcpt", 0.3), ("end-of-message", ms))
    answers = [Answer(stage, "continue", usual * random.lognormvariate(0, 0.5)) for stage, usual in stages]
    return ChildRecord(name, answers)


def _decide(
    record: MessageRecord,
    child: ChildRecord,
    children: list[ChildRecord],
    verdict: str,
    text: str,
    stage: str,
) -> None:
    record.verdict, record.by, record.reply, record.stage = verdict, child.name, text, stage
    places = [answer.stage for answer in child.answers]
    answer = Answer(stage, verdict, child.answers[-1].ms, text)
    child.answers = [*child.answers[: places.index(stage)], answer]
    for later in children[children.index(child) + 1 :]:
        later.answers = [answer for answer in later.answers if answer.stage != "end-of-message"]
