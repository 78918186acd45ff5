"""``postmill milter`` as a program, spoken to by the fake MTA; and its options as rules."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postmill.cli.milter import command
from postmill.errors import RemoteProtocolError
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Recipient, SessionPlan
from tests.cli_tools.running import program, run

TWO = Mail(recipients=(Recipient(b"<a@x>"), Recipient(b"<b@x>")))


@pytest.fixture
def socket() -> Iterator[str]:
    with TemporaryDirectory(prefix="pm-") as directory:
        yield f"unix:{directory}/socket"


def statuses(socket: str, sessions: int = 1, mails: int = 1) -> list[str]:
    plan = SessionPlan(mails=(TWO,) * mails)
    return [mail.status for _ in range(sessions) for mail in FakeMta(socket).session(plan).mails]


def test_prints_events_macros_and_replies(socket: str) -> None:
    with program("postmill.cli", "milter", socket, "--sessions", "1", "--edit", "add-header:X-A:1") as milter:
        report = FakeMta(socket).deliver(TWO)
        text = milter.output()
    assert report.new_headers[-1] == (b"X-A", b" 1")
    lines = text.splitlines()
    assert lines[0] == "[1] connection opened"
    assert "[1] > mail <sender@example.com>" in lines
    assert "[1]     i=4Postmill1 {rcpt_addr}=b@x {rcpt_host}=x {rcpt_mailer}=smtp" in lines
    assert lines[-6:-4] == ["[1] < add-header:X-A:1", "[1] < continue"]
    assert lines[-1] == "[1] connection closed (quit)"


def test_prints_json(socket: str) -> None:
    with program(
        "postmill.cli", "milter", socket, "--sessions", "1", "--json", "--reply", "mail=550 5.7.1 no"
    ) as milter:
        FakeMta(socket).deliver(TWO)
        objects = [json.loads(line) for line in milter.output().splitlines()]
    assert {one["session"] for one in objects} == {1}
    mail = next(one for one in objects if one.get("stage") == "mail")
    assert mail["payload"] == "<sender@example.com>\0"
    assert mail["macros"]["{mail_addr}"] == "sender@example.com"
    assert [one["text"] for one in objects if one["kind"] == "reply"][-1] == "550 5.7.1 no"
    assert objects[-1]["how"] == "quit"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_well_on_signals_and_removes_its_socket(socket: str, number: int) -> None:
    path = socket.removeprefix("unix:")
    with program("postmill.cli", "milter", socket, "--mode", "0620", "-q") as milter:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o620
        assert statuses(socket) == ["accept"]
        assert milter.stop(number) == ""
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reply", "rcpt=reject", "--nth", "2"], ["accept"] * 4),
        (["--reply", "rcpt=reject"], ["reject"] * 4),
        (["--reply", "mail=tempfail", "--session", "2"], ["accept"] * 2 + ["temporary-failure"] * 2),
        (["--reply", "eom=discard", "--message", "2"], ["accept", "discard"] * 2),
        (["--reply", "mail=450 4.7.1 wait", "--share", "50%"], ["accept"] * 2 + ["temporary-failure"] * 2),
        (["--reply", "header=reject", "--containing", "nowhere"], ["accept"] * 4),
        (["--reply", "any=continue", "--progress", "eom=3x1ms", "--delay", "data=10ms"], ["accept"] * 4),
        (["--edit", "quarantine:virus"], ["quarantine"] * 4),
        (["--negotiate", "protocol=NR_RCPT,actions=none", "--reply", "rcpt=reject"], ["accept"] * 4),
        (["--trickle", "mail=1ms", "--reply", "rcpt=skip"], ["accept"] * 4),
    ],
)
def test_answers_as_told(socket: str, options: list[str], expected: list[str]) -> None:
    with program("postmill.cli", "milter", socket, *options, "-q") as milter:
        assert statuses(socket, 2, 2) == expected
        milter.stop()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--close", "data"], EOFError),
        (["--close", "rcpt=after"], (EOFError, ConnectionError)),
        (["--close", "accepted"], (EOFError, ConnectionError)),
        (["--reset", "data"], (EOFError, ConnectionError)),
        (["--silent", "mail"], TimeoutError),
        (["--stop-reading", "connect", "--silent", "connect"], TimeoutError),
        (["--half-packet", "body"], RemoteProtocolError),
        (["--garbage", "eom"], RemoteProtocolError),
        (["--raw", "helo=0x000000015a"], RemoteProtocolError),
        (["--surplus", "mail"], RemoteProtocolError),
        (["--edit", "mail=add-header:A:b"], RemoteProtocolError),
        (["--negotiate", "close"], EOFError),
        (["--negotiate", "raw=0x0000000163"], RemoteProtocolError),
    ],
)
def test_misbehaves_as_told(socket: str, options: list[str], error: type[Exception]) -> None:
    with program("postmill.cli", "milter", socket, *options, "-q") as milter:
        with pytest.raises(error):
            FakeMta(socket, timeout=0.5).deliver(TWO)
        milter.stop()


def test_replies_where_none_is_due_when_forced(socket: str) -> None:
    options = ["--negotiate", "protocol=NR_RCPT", "--forced", "--reply", "rcpt=reject", "-q"]
    with program("postmill.cli", "milter", socket, *options) as milter:
        with FakeMta(socket) as mta:
            mta.negotiate()
            assert mta.rcpt().verdict is None
            assert mta.receive() == (ord("r"), b"")
        milter.stop()


def test_follows_a_script_file(socket: str, tmp_path: Path) -> None:
    script = tmp_path / "rules.toml"
    script.write_text("""
        [negotiate]
        version = 6
        actions = "ADDHDRS"
        protocol = "NOHELO"
        symlists = { mail = "i {mail_addr}" }
        [[rule]]
        at = ["mail", "rcpt"]
        session = 2
        do = ["delay 1ms", "reply 450 4.2.0 later"]
        [[rule]]
        at = "eom"
        do = ["edit add-header:X-A:1", "reply accept"]
    """)
    with program(
        "postmill.cli", "milter", socket, "--script", str(script), "--reply", "data=reject", "--session", "3"
    ) as milter:
        first, second, third = (FakeMta(socket).session().mails[0] for _ in range(3))
        out = milter.stop()
    assert first.new_headers[-1] == (b"X-A", b" 1")
    assert (second.status, second.stage, second.reply) == ("temporary-failure", "M", b"450 4.2.0 later")
    assert (third.status, third.stage) == ("reject", "T")
    assert "helo" not in out


def test_ends_when_nobody_reads_its_output_any_more(socket: str) -> None:
    with program("postmill.cli", "milter", socket) as milter:
        assert milter.process.stdout is not None
        milter.process.stdout.close()
        with contextlib.suppress(EOFError, ConnectionError):
            FakeMta(socket).deliver(TWO)
        assert milter.process.wait(timeout=30) in (0, 120, 141)


@pytest.mark.parametrize(
    ("options", "status", "named"),
    [
        (["--reply", "lunch=reject"], 64, "unknown stage 'lunch'"),
        (["--reply", "mail"], 64, "STAGE=VALUE"),
        (["--reply", "mail=maybe"], 64, "unknown reply 'maybe'"),
        (["--edit", "paint:red"], 64, "unknown edit"),
        (["--share", "200%"], 64, "no share"),
        (["--negotiate", "speed=1"], 64, "unknown part 'speed'"),
        (["--close", "mail=later"], 64, "STAGE=after"),
        (["--progress", "mail=many"], 64, "'many' is no number"),
        (["--mode", "rw"], 2, "'rw' is no octal number"),
        (["--group", "no-such-group"], 69, "cannot listen"),
    ],
)
def test_wrong_usage_is_explained(socket: str, options: list[str], status: int, named: str) -> None:
    result = run(command, socket, *options)
    assert result.status == status
    assert named in result.err


def test_a_socket_in_a_missing_directory_cannot_be_listened_on() -> None:
    result = run(command, "unix:/nonexistent/socket")
    assert result.status == 69
    assert "cannot listen on unix:/nonexistent/socket" in result.err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[negotiate", "no valid TOML"),
        ("speed = 1", "unknown key 'speed'"),
        ("[[rule]]\nat='mail'", "needs the keys at and do"),
        ("[[rule]]\nat='mail'\ndo='jump'", "unknown step 'jump'"),
        ("[[rule]]\nat='mail'\ndo=[]\ncolour='red'", "unknown key 'colour' in rule"),
        ("[negotiate]\nsymlists={lunch='i'}", "unknown stage 'lunch'"),
    ],
)
def test_script_files_with_faults_are_explained(socket: str, tmp_path: Path, text: str, named: str) -> None:
    script = tmp_path / "bad.toml"
    script.write_text(text)
    result = run(command, socket, "--script", str(script))
    assert result.status == 78
    assert named in result.err
    assert "bad.toml" in result.err
