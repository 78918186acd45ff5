"""A milter inside the manager is as the same milter behind a socket; and what becomes of mail when it fails."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postmill.testing.mta import FakeMta
from postmill.testing.outcome import MailReport
from postmill.testing.plan import Client, Mail, Offer, Recipient, SessionPlan
from tests.daemon.running import environment
from tests.interop.postfix import wait_until
from tests.net.hosting import NO_BREAKER, ROOT, Host

APP = str(ROOT / "tests/net/filter_apps.py") + ":app"
HEADERS = ((b"From", b" joe@example.net"), (b"Subject", b" hello"), (b"X-Folded", b"no blank\n\tfold"))


def mail(*to: str, sender: str = "joe", body: bytes = b"Hello.\r\n", subject: bytes = b" hello") -> Mail:
    recipients = tuple(Recipient(f"<{name}@example.org>".encode()) for name in to or ("jane",))
    headers = (HEADERS[0], (b"Subject", subject), HEADERS[2])
    return Mail(f"<{sender}@example.net>".encode(), recipients=recipients, headers=headers, body=body)


PLANS = {
    "plain": SessionPlan(mails=(mail(),)),
    "two recipients": SessionPlan(mails=(mail("jane", "nobody", "jim"),)),
    "nobody": SessionPlan(mails=(mail("nobody"),)),
    "accepted": SessionPlan(mails=(mail("accept", "jane"),)),
    "accepted with an edit": SessionPlan(mails=(mail("jane", "accept", "jim"), mail())),
    "discarded": SessionPlan(mails=(mail("discard"),)),
    "refused client": SessionPlan(client=Client(host=b"bad.example"), mails=(mail(),)),
    "refused sender": SessionPlan(mails=(mail(sender="later"), mail())),
    "refused headers": SessionPlan(mails=(mail(subject=b" forbidden"), mail())),
    "refused body": SessionPlan(mails=(mail(body=b"refuse\r\n"),)),
    "replaced": SessionPlan(mails=(mail(body=b"replace\r\n" * 9000),)),
    "held": SessionPlan(mails=(mail(body=b"hold\r\n"), mail())),
    "three messages": SessionPlan(mails=(mail(), mail("nobody"), mail("jim"))),
    "given up": SessionPlan(mails=(Mail(abort_after="R"), mail())),
    "sendmail": SessionPlan(like="sendmail", mails=(mail(), mail(body=b"replace\r\n"))),
    "version 4": SessionPlan(offer=Offer(4, 0x7F, 0x7F), mails=(mail(), mail("nobody"))),
    "version 2": SessionPlan(offer=Offer(2, 0x3F, 0x7F), mails=(mail(), mail("nobody"))),
    "3 MB": SessionPlan(mails=(mail(body=b"0123456789\r\n" * 250_000),)),
}


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """`postmill serve` with the app."""
    endpoint = f"unix:{directory}/serve.sock"
    command = [sys.executable, "-m", "postmill", "serve", APP, "--listen", endpoint]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    try:
        wait_until((directory / "serve.sock").exists, "it to listen")
        yield endpoint
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert b"Traceback" not in errors, errors.decode()
        assert process.returncode == 0
    assert not (directory / "serve.sock").exists()


def outcome(report: MailReport) -> tuple[object, ...]:
    return (
        report.status,
        report.reply,
        report.refused,
        report.new_sender,
        report.new_recipients,
        report.new_headers,
        report.new_body,
        report.quarantine,
    )


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """The app by itself, behind a manager as a milter, and inside a manager."""
    directory = tmp_path_factory.mktemp("serve")
    with served(directory) as alone:
        host = Host()
        behind = host.add({"everything": {"socket": alone, "pipeline": False}})
        inside = host.add({}, filters=[{"use": APP}])
        with host:
            yield alone, behind, inside
            assert "defect in Postmill" not in host.log


@pytest.mark.parametrize("name", PLANS)
def test_wherever_it_runs_the_mail_fares_alike(name: str, everywhere: tuple[str, str, str]) -> None:
    alone, behind, inside = ([*map(outcome, FakeMta(one).session(PLANS[name]).mails)] for one in everywhere)
    assert alone == behind == inside
    assert all(result[0] not in ("error", "") for result in alone)


def test_what_a_message_leaves_reaches_it_only(everywhere: tuple[str, str, str]) -> None:
    for endpoint in everywhere:
        first, second = FakeMta(endpoint).session(SessionPlan(mails=(mail("a"), mail("b", "c")))).mails
        assert (b"X-Seen", b" yes mail1 a data1 8") in first.new_headers
        assert (b"X-Seen", b" yes mail2 b c data2 8") in second.new_headers
        assert [text for name, text in second.new_headers if name == b"X-Rcpt"] == [
            b" b@example.org",
            b" c@example.org",
        ]


@pytest.mark.parametrize(
    ("on_error", "status", "reply"),
    [
        ("tempfail", "temporary-failure", b"451 4.7.1 Service unavailable - try again later"),
        ("reject", "reject", b"550 5.5.0 Service unavailable"),
        ("accept", "accept", b""),
    ],
)
@pytest.mark.parametrize("to", ["raise", "down", "slow"])
def test_one_that_fails(to: str, on_error: str, status: str, reply: bytes) -> None:
    host = Host()
    settings = {"use": APP, "on_error": on_error, "timeouts": {"command": "1s"}, "breaker": NO_BREAKER}
    endpoint = host.add({}, filters=[settings])
    with host:
        report = FakeMta(endpoint).session(SessionPlan(mails=(mail(to), mail())))
        assert (report.mails[0].status, report.mails[0].reply[:30]) == (status, reply[:30])
        again = FakeMta(endpoint).session(SessionPlan(mails=(mail(),))).mails[0]
        assert (again.status, (b"X-Seen", b" yes mail1 jane data1 8") in again.new_headers) == (
            "accept",
            True,
        )
        log = host.log
    words = {
        "raise": "ZeroDivisionError: as asked",
        "down": "nobody answers at /run/scanner",
        "slow": "no answer to R in time",
    }[to]
    assert words in log
    assert ("Traceback" in log) == (to == "raise")


def statuses(endpoint: str, *to: str) -> list[str]:
    """Return how messages to these fare, each in a session of its own."""
    return [FakeMta(endpoint).session(SessionPlan(mails=(mail(one),))).mails[0].status for one in to]


@pytest.mark.parametrize("odd", ["raise", "down"])
def test_odd_messages_do_not_switch_it_off(odd: str) -> None:
    host = Host()
    endpoint = host.add({}, filters=[{"use": APP, "on_error": "accept"}])
    with host:
        to = ["nobody", *[odd] * 5, "nobody", odd, "nobody"]
        assert statuses(endpoint, *to) == [{"nobody": "reject"}.get(one, "accept") for one in to]
        log = host.log
    assert log.count("everything: lost:filter at rcpt") == 6
    assert "left alone" not in log


SLOW = """\
import asyncio
from postmill.api import Milter, Recipient, Reject, Verdict

app = Milter("slow")

@app.on
async def look(rcpt: Recipient) -> Verdict | None:
    if rcpt.address.local == "raise":
        raise ZeroDivisionError("as asked")
    await asyncio.sleep(30 if rcpt.address.local == "slow" else 0)
    return Reject("5.7.1 no")
"""


def test_one_that_takes_too_long_is_left_alone_until_it_says_something(tmp_path: Path) -> None:
    """What it says may also be that it cannot judge."""
    (tmp_path / "app.py").write_text(SLOW)
    host = Host()
    rules = {"timeouts": {"command": "0.2s"}, "breaker": {"retry": "1s"}}
    endpoint = host.add({}, filters=[{"use": f"{tmp_path}/app.py:app", "on_error": "accept", **rules}])
    with host:
        assert statuses(endpoint, "jane", *["slow"] * 3, "jane") == ["reject", *["accept"] * 4]
        assert "slow: left alone for now after repeated failures: no answer to R in time" in host.log
        wait_until(
            lambda: statuses(endpoint, "raise") == ["accept"] and "as asked" in host.log, "another try"
        )
        assert statuses(endpoint, "jane", "raise", "raise", "raise", "jane")[::4] == ["reject"] * 2


TWO = """\
import asyncio
from postmill.api import Client, Milter, Reject, Verdict

first, second = Milter("first"), Milter("second")

@first.on
async def refuse(client: Client) -> Verdict | None:
    await asyncio.sleep(0.05)
    return Reject("5.7.1 first") if client.name == "bad.example" else None

@second.on
async def look(client: Client) -> Verdict | None:
    await asyncio.sleep(0 if client.name == "good.example" else 30)
    return Reject("5.7.1 second")
"""


def test_one_that_was_called_off_when_it_was_tried_again_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TWO)
    host = Host()
    rules = {"timeouts": {"command": "0.3s"}, "breaker": {"retry": "0.5s", "retry_max": "0.5s"}}
    apps = [f"{tmp_path}/app.py:{name}" for name in ("first", "second")]
    endpoint = host.add({}, filters=[{"use": app, "on_error": "accept", **rules} for app in apps])

    def status(name: bytes) -> str:
        plan = SessionPlan(client=Client(host=name), mails=(mail(),))
        return FakeMta(endpoint).session(plan).mails[0].status

    with host:
        assert [status(b"slow.example") for _ in range(3)] == ["accept"] * 3
        assert status(b"good.example") == "accept"
        time.sleep(0.6)
        assert status(b"bad.example") == "reject"
        wait_until(lambda: status(b"good.example") == "reject", "the second to be tried again")


@pytest.mark.parametrize(("on_error", "status"), [("accept", "accept"), ("reject", "reject")])
def test_one_whose_state_cannot_be_made(on_error: str, status: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        "from postmill.api import Milter, Recipient, Verdict\n"
        "class Session:\n"
        "    def __init__(self) -> None:\n"
        "        raise ValueError('no state today')\n"
        "app = Milter('broken', session=Session)\n"
        "@app.on\n"
        "async def look(rcpt: Recipient, session: Session) -> Verdict | None:\n"
        "    return None\n"
    )
    host = Host()
    endpoint = host.add({}, filters=[{"use": f"{app}:app", "on_error": on_error, "breaker": NO_BREAKER}])
    with host:
        assert FakeMta(endpoint).session(SessionPlan(mails=(mail(),))).mails[0].status == status
        log = host.log
    assert "ValueError: no state today" in log
    assert "defect in Postmill" not in log


def test_why_stands_in_the_log() -> None:
    host = Host()
    endpoint = host.add({}, filters=[{"use": APP, "settings": {"mark": "no"}}])
    with host:
        done = (
            FakeMta(endpoint).session(SessionPlan(mails=(mail("jane", "nobody", body=b"hold\r\n"),))).mails[0]
        )
        assert (b"X-Seen", b" no mail1 jane data1 6") in done.new_headers
        (record,) = host.records
        log = host.log
    answers = {answer["stage"]: answer for answer in record["children"][0]["answers"]}
    assert answers["end-of-message"]["because"] == "the body says so"
    assert "everything=quarantine/" in log
    assert "ms(the body says so)" in log


def test_an_accept_with_edits_recorded_is_told_at_the_end() -> None:
    host = Host()
    endpoint = host.add({}, filters=[{"use": APP}])
    evaluated = host.add({}, filters=[{"use": APP, "mode": "evaluate"}])
    with host:
        plan = SessionPlan(mails=(mail("jane", "accept", "nobody"),))
        done, untouched = (FakeMta(one).session(plan).mails[0] for one in (endpoint, evaluated))
        records = host.records
    assert (done.status, done.refused) == ("accept", [])
    assert done.new_headers == (*HEADERS, (b"X-Rcpt", b" jane@example.org"))
    assert (untouched.status, untouched.new_headers) == ("accept", HEADERS)
    for record in records:
        answers = [
            (one["stage"], one["verdict"], one.get("because", "")) for one in record["children"][0]["answers"]
        ]
        assert ("rcpt", "continue", "") in answers
        assert answers[-1] == ("end-of-message", "accept", "seen enough")


def test_evaluated_it_changes_nothing() -> None:
    host = Host()
    endpoint = host.add({}, filters=[{"use": APP, "mode": "evaluate"}])
    with host:
        done = FakeMta(endpoint).session(SessionPlan(mails=(mail("nobody", body=b"replace\r\n"),))).mails[0]
    assert (done.status, done.new_body, done.new_recipients) == (
        "accept",
        b"replace\r\n",
        (b"<nobody@example.org>",),
    )


def test_an_mta_that_goes_away_while_a_handler_works() -> None:
    host = Host()
    endpoint = host.add({}, filters=[{"use": APP}])
    with host:
        FakeMta(endpoint).session(SessionPlan(mails=(Mail(drop_after="R"),)))
        done = FakeMta(endpoint).session(SessionPlan(mails=(mail(),))).mails[0]
        assert done.status == "accept"
        assert "Traceback" not in host.log


def test_in_one_row_with_another_milter() -> None:
    """The second copy sees what the first has edited."""
    host = Host()
    second = {"use": APP, "name": "again", "settings": {"mark": "again"}}
    endpoint = host.add({}, filters=[{"use": APP}, second])
    with host:
        done = FakeMta(endpoint).session(SessionPlan(mails=(mail(body=b"replace\r\n"),))).mails[0]
    assert done.new_body == b"REPLACE\r\n"
    seen = [text for name, text in done.new_headers if name == b"X-Seen"]
    assert seen == [b" yes mail1 jane data1 9", b" again mail1 jane data1 9"]
