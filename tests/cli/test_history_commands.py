"""``explain``, ``tail``, ``report`` and ``top``: what they print, and what they say when they cannot."""

from __future__ import annotations

import email
import json
import subprocess
import sys
import time
from contextlib import closing
from email import policy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from postmill.cli import postmill
from postmill.cli.top import picture
from postmill.errors import ConfigError, PostmillError, RequestError, UnavailableError
from postmill.history import open_database
from postmill.record import Answer, Change, ChildRecord, Decision, MessageRecord, Recipient, Tally
from tests.daemon.running import environment
from tests.history.test_history import record, store

NOW = int(time.time()) // 60 * 60
SPAM = ChildRecord(
    "spam",
    [
        Answer("mail", "continue", 0.4),
        Answer("end-of-message", "reject", 12.6, "550 5.7.1 Spam\x1b[2J", "score 20"),
    ],
)
TRIAL = ChildRecord(
    "trial",
    [Answer("rcpt", "tempfail", 0.3, "451 4.7.1 later")],
    changes=[
        Change("change-header", "Subject", "old", "[X] old"),
        Change("change-header", "X-Gone", "1", ""),
    ],
    evaluated=True,
)
SIGNER = ChildRecord(
    "signer",
    [Answer("end-of-message", "continue", 1.0)],
    {"add-header": 1},
    [
        Change("add-header", "DKIM-Signature", "", "v=1; a=rsa-sha256"),
        Change("add-recipient", "<copy@example.org>"),
        Change("delete-recipient", "<you@example.org>"),
        Change("change-sender", "<new@example.com>"),
        Change("replace-body", "", "", "120 bytes"),
    ],
)
LEFT_OUT = ChildRecord("grey", conditions={"trust": Decision("trust", False, "example.com is trusted")})
LATE = ChildRecord("late")


@pytest.fixture
def history(tmp_path: Path) -> str:
    """A history of one refused message between two that passed."""
    url = f"sqlite:{tmp_path}/history.db"
    refused = record(
        2,
        "reject",
        by="spam",
        reply="550 5.7.1 Spam\x1b[2J",
        recipients=[Recipient("<you@example.org>", "continue"), Recipient("<no@example.org>", "reject")],
        children={child.name: child for child in (LEFT_OUT, SIGNER, SPAM, TRIAL, LATE)},
        ms=20.0,
        size=4321,
        time=float(NOW),
    )
    with closing(open_database(url, writes=True)) as database:
        store(database, record(1, time=float(NOW)), start=NOW)
        store(database, refused, start=NOW)
        store(
            database,
            record(3, time=float(NOW)),
            MessageRecord(
                session="s-9",
                verdict="reject",
                time=float(NOW),
                client_name="bad.example",
                client_address="192.0.2.9",
                stage="connect",
            ),
            start=NOW,
        )
    return url


def run(*words: str) -> Result:
    result = CliRunner().invoke(postmill, words, env={"COLUMNS": "160", "NO_COLOR": "1"})
    if result.exception is not None and not isinstance(result.exception, SystemExit | PostmillError):
        raise result.exception
    return result


def test_explain_draws_who_said_what_and_changed_what(history: str) -> None:
    result = run("explain", "--history", history, "Q2")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("message    Q2, ")
    assert lines[0].endswith(" on mx1, 4,321 bytes")
    assert "from       <Sender2@example.com>" in lines
    assert "to         <you@example.org>" in lines
    assert "to         <no@example.org> reject" in lines
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in reversed(lines) if line}
    assert rows["milter"] == "mail rcpt message said"
    assert rows["grey"] == "· · · not asked: trust: example.com is trusted"
    assert rows["spam"] == r"0.4 ✓ · 13 ✗ reject 550 5.7.1 Spam\x1b[2J (score 20)"
    assert rows["trial"] == "(evaluated) · 0.3 ✗ · tempfail 451 4.7.1 later"
    assert rows["late"] == "· · · not asked"
    assert [line for line in lines if line.startswith(("signer: ", "trial (would)"))] == [
        "signer: + DKIM-Signature: v=1; a=rsa-sha256",
        "signer: + recipient <copy@example.org>",
        "signer: - recipient <you@example.org>",
        "signer: + sender <new@example.com>",
        "signer: + new body, 120 bytes",
        "trial (would): - Subject: old",
        "trial (would): + Subject: [X] old",
        "trial (would): - X-Gone: 1",
    ]
    assert lines[-1] == r"Refused at end-of-message by spam: 550 5.7.1 Spam\x1b[2J 20 ms after MAIL."
    assert "\x1b" not in result.output


def test_explain_takes_the_newest_and_names_the_others(history: str) -> None:
    result = run("explain", "--history", history, "@example.com")
    assert result.output.startswith("message    Q3, ")
    assert "Earlier ones (-n draws more):" in result.output
    assert [line.split()[2] for line in result.output.splitlines()[-2:]] == ["Q2", "Q1"]
    both = run("explain", "--history", history, "-n", "2", "--json", "@example.com")
    assert [json.loads(line)["queue_id"] for line in both.output.splitlines()] == ["Q3", "Q2"]


def test_explain_of_a_connection_without_a_message(history: str) -> None:
    output = run("explain", "--history", history, "192.0.2.9").output
    assert "client     bad.example[192.0.2.9], session s-9" in output
    assert output.splitlines()[-1] == "Refused at connect."


def test_explain_of_what_nobody_knows(history: str) -> None:
    result = run("explain", "--history", history, "Q404")
    assert result.exit_code == 1
    assert "nothing is known of Q404" in result.output


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), ["Q1", "Q2", "Q3", "s-9"]),
        (("-n", "2"), ["Q3", "s-9"]),
        (("-n", "0"), []),
        (("--verdict", "reject"), ["Q2", "s-9"]),
        (("--verdict", "reject", "--rcpt", "@example.org", "--child", "spam"), ["Q2"]),
        (("--child", "trial", "--said", "tempfail"), ["Q2"]),
        (("--child", "trial", "--said", "reject"), []),
        (("--from", "sender3@example.com"), ["Q3"]),
    ],
    ids=str,
)
def test_tail_shows_what_was_chosen(history: str, options: tuple[str, ...], ids: list[str]) -> None:
    result = run("tail", "--history", history, "--no-follow", *options)
    assert [line.split()[1] for line in result.output.splitlines()] == ids
    as_json = run("tail", "--history", history, "--no-follow", "--json", *options)
    assert [json.loads(line)["queue_id"] or "s-9" for line in as_json.output.splitlines()] == ids


def test_tail_follows(history: str) -> None:
    command = [
        sys.executable,
        "-m",
        "postmill",
        "tail",
        "--history",
        history,
        "-n",
        "1",
        "--verdict",
        "reject",
    ]
    with subprocess.Popen(
        command, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        try:
            assert "s-9" in tail.stdout.readline()
            with closing(open_database(history, writes=True)) as database:
                store(database, record(10, time=float(NOW)), record(11, "reject", time=float(NOW)))
            assert "Q11" in tail.stdout.readline()
        finally:
            tail.terminate()


def test_who_has_seen_enough_of_tail_is_no_error(history: str) -> None:
    command = f"'{sys.executable}' -m postmill tail --no-follow --json --history '{history}'"
    done = subprocess.run(
        f"for i in 1 2 3 4 5 6 7 8; do {command}; done | head -n 1",
        shell=True,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_report_as_text_json_html_and_mail(history: str) -> None:
    since = ("--since", "2020-01-01")
    text = run("report", "--history", history, *since).output
    assert "messages       3: accept 2 (66.7%), reject 1 (33.3%)" in text
    assert "before mail 1: reject 1" in " ".join(text.split())
    assert "trial was only evaluated: it would have changed nothing" not in text
    assert "it would have said tempfail instead of reject 1" in text
    values = json.loads(run("report", "--history", history, *since, "--json").output)
    assert values["milters"]["grey"]["skipped"] == {"trust": 1}
    assert values["milters"]["grey"]["skipped_share"] == 1.0
    assert values["milters"]["spam"]["decided"] == {"reject": 1}
    assert values["milters"]["spam"]["ms"]["p99"] == pytest.approx(12.6, rel=0.1)
    page = run("report", "--history", history, *since, "--html").output
    assert "<td>spam</td>" in page
    output = run(
        "report",
        "--history",
        history,
        *since,
        "--mail-to",
        "a@example.org",
        "--mail-from",
        "P <p@example.org>",
    ).output
    mail = email.message_from_string(output, policy=policy.default)
    assert (mail["To"], mail["From"]) == ("a@example.org", "P <p@example.org>")
    assert str(mail["Subject"]).endswith("accept 2, reject 1")
    parts = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
    assert "messages       3: accept 2" in parts["text/plain"]
    assert "<td>spam</td>" in parts["text/html"]


def test_report_of_a_time_without_mail(history: str) -> None:
    output = run("report", "--history", history, "--since", "2020-01-01", "--until", "2020-01-02").output
    assert "messages       none" in output


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (("explain", "-c", "{tmp}/none.toml", "Q1"), ConfigError, "none.toml"),
        (("explain", "-c", "{tmp}/off.toml", "Q1"), UnavailableError, "history.url is not set in"),
        (("tail", "--history", "sqlite:{tmp}/none.db"), UnavailableError, "cannot be read"),
        (("tail", "--history", "mysql://x/y"), ConfigError, "sqlite: and postgresql:"),
        (
            ("report", "--history", "sqlite:{tmp}/history.db", "--mail-to", "nobody"),
            RequestError,
            "no mail address",
        ),
        (
            ("report", "--history", "sqlite:{tmp}/history.db", "--mail-to", "a@b\nBcc: c@d"),
            RequestError,
            "no mail address",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    history: str, tmp_path: Path, words: tuple[str, ...], error: type[PostmillError], text: str
) -> None:
    (tmp_path / "off.toml").write_text("[manager]\nwrkers = 3\n")
    result = run(*(word.format(tmp=tmp_path) for word in words))
    assert isinstance(result.exception, error)
    assert text in str(result.exception)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("report", "--since", "yesterday"), "is no time"),
        (("report", "--since", "1h", "--until", "2h"), "must come after"),
        (("report", "--mail-from", "a@example.org"), "needs --mail-to"),
        (("tail", "--said", "reject"), "needs --child"),
        (("tail", "--verdict", "maybe"), "is not one of"),
    ],
    ids=str,
)
def test_wrong_options(history: str, words: tuple[str, ...], text: str) -> None:
    result = run(*words, "--history", history)
    assert result.exit_code == 2
    assert text in result.output


def status(tally: Tally, at: float) -> dict[str, Any]:
    milters = [
        {"name": name, "state": "up", "mode": mode, "links": 2}
        for name, mode in (("spam", "enforce"), ("new", "evaluate"))
    ]
    return {
        "time": at,
        "started": 1000.0,
        "state": "serving",
        "sessions": 3,
        "tally": json.loads(json.dumps(tally.as_dict())),
        "milters": milters,
    }


def shown(now: dict[str, Any], before: dict[str, Any] | None) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(picture(now, before))
    return capture.get()


def test_top_shows_what_happened_between_two_looks() -> None:
    tally = Tally()
    for number in range(10):
        tally.add(record(number, "reject", children={"spam": SPAM}), 1.0)
    before = status(tally, 1010.0)
    for number in range(4):
        tally.add(
            record(number, children={"spam": ChildRecord("spam", [Answer("mail", "continue", 2.0)])}), 1.0
        )
    text = shown(status(tally, 1012.0), before)
    assert "Postmill serving, 3 sessions under way; in 2.0 s: accept 2.0" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["spam"] == ["up", "2", "2.0", "continue", "2.0", "1.9", "1.9"]
    assert rows["new"] == ["evaluate", "up", "2", "0.0", "-", "-"]
    first = shown(before, None)
    assert "since its start: reject 1.0" in first


def test_top_after_a_restart_of_the_daemon_begins_anew() -> None:
    tally = Tally()
    tally.add(record(1), 1.0)
    before = status(tally, 1010.0)
    after = {**status(Tally(), 1012.0), "started": 1011.0}
    assert "no mail" in shown(after, before)
