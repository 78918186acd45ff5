"""``postmill send`` from its arguments to its output and exit status, against the scripted child."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from postmill.cli.send import command
from postmill.testing.child import ScriptedChild
from postmill.testing.script import Close, Default, Delay, Negotiation, Rule, Script, StopAnswering
from postmill.testing.words import edit, reply
from postmill.wire.codes import Command
from tests.cli_tools.running import Result, run


def send(script: Script | None, *args: str, stdin: bytes = b"") -> tuple[Result, ScriptedChild]:
    with ScriptedChild(script) as child:
        result = run(command, str(child.endpoint), *args, stdin=stdin)
        if child.connections:
            child.wait_closed()
    return result, child


def at(stage: str, *words: str) -> Script:
    return Script(rules=[Rule(stage, tuple(reply(word) for word in words))])


def test_the_first_lines_are_status_and_time() -> None:
    result, child = send(None)
    assert result.status == 0
    assert result.lines[0] == "status: accept"
    first, number, unit = result.lines[1].split()
    assert (first, unit) == ("elapsed-time:", "seconds")
    assert float(number) >= 0
    assert len(number.partition(".")[2]) == 3
    assert child.letters() == "OCHMRTLLLLLNBEAAQ"


@pytest.mark.parametrize(
    ("script", "status", "word", "more"),
    [
        (at("E", "accept"), 0, "accept", []),
        (at("M", "reject"), 10, "reject", ["stage: mail", "reply: 550 5.7.1 Command rejected"]),
        (at("R", "550 5.7.1 a\\nb"), 10, "reject", ["stage: rcpt", "reply: 550-5.7.1 a", "reply: 550 b"]),
        (at("T", "tempfail"), 11, "temporary-failure", ["stage: data"]),
        (at("B", "discard"), 12, "discard", ["stage: body"]),
        (
            Script(rules=[Rule("E", (edit("quarantine:virus"), Default()))]),
            13,
            "quarantine",
            ["stage: end-of-message", "quarantine: virus"],
        ),
        (
            Script(rules=[Rule("L", (Close(),))]),
            76,
            "error",
            ["error: HEADER: the filter closed the connection"],
        ),
        (at("H", "conn-fail"), 76, "error", ["error: HELO: 'conn-fail' is not allowed at helo"]),
    ],
)
def test_verdicts_and_exit_statuses(script: Script, status: int, word: str, more: list[str]) -> None:
    result, _ = send(script)
    assert (result.status, result.lines[0]) == (status, f"status: {word}")
    assert [line for line in result.lines[2:] if not line.startswith("refused: ")][: len(more)] == more


def test_nobody_there_and_time_outs() -> None:
    nowhere = run(command, "unix:/nonexistent/socket")
    assert nowhere.status == 69
    assert nowhere.lines[0] == "status: error"
    assert "cannot connect to unix:/nonexistent/socket" in nowhere.out
    script = Script(rules=[Rule("M", (StopAnswering(),))])
    result, _ = send(script, "--read-timeout", "50ms")
    assert (result.status, result.lines[2]) == (75, "error: MAIL: no verdict within 0.05 s")
    result, _ = send(script, "--timeout", "0.1")
    assert result.status == 75
    silent = Script(rules=[Rule("E", (StopAnswering(),))])
    assert send(silent, "--end-of-message-timeout", "50ms")[0].status == 75


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["ftp:1"], "unknown type 'ftp'"),
        (["unix:/x", "--macro", "i=1"], "STAGE:NAME=VALUE"),
        (["unix:/x", "--macro", "lunch:i=1"], "unknown stage 'lunch'"),
        (["unix:/x", "--header", "Subject"], "NAME:VALUE"),
        (["unix:/x", "--connect-address", "here"], "'here' is no client address"),
        (["unix:/x", "--offer-actions", "FLY"], "unknown flag 'FLY'"),
        (["unix:/x", "--abort-after", "helo"], "no stage of a message"),
    ],
)
def test_wrong_usage_is_explained(args: list[str], named: str) -> None:
    result = run(command, *args)
    assert result.status == 64
    assert named in result.err


def test_times_that_cannot_be_read_are_usage_errors() -> None:
    result = run(command, "unix:/x", "--timeout", "soon")
    assert result.status == 2
    assert "'soon' is no time" in result.err


def test_envelope_client_macros_and_arguments_reach_the_filter() -> None:
    result, child = send(
        None, "--connect-host", "mx.example.net", "--connect-address", "[2001:db8::1]:2525", "--helo", "me",
        "-f", "a@example.com", "--from-arg", "SIZE=10", "--from-arg", "BODY=8BITMIME",
        "-t", "b@example.org NOTIFY=NEVER", "-t", "<c@example.org>", "--to-arg", "ORCPT=rfc822;x",
        "-M", "connect:{if_addr}=192.0.2.9", "-M", "mail:i=QID", "--user", "joe", "-H", "Subject:hi", "-H", "X:  y",
        "-b", "one\\ntwo", "-b", "three", "--unknown", "XYZZY now", "--unknown", "mail:HELP",
    )  # fmt: skip
    assert result.status == 0, result.out
    seen = {event.code: event for event in child.events}
    assert child.letters() == "OCHUMURRTLLNBEAAQ"
    assert seen["C"].payload == b"mx.example.net\x006\x09\xdd2001:db8::1\0"
    assert seen["C"].macro("if_addr") == b"192.0.2.9"
    assert seen["H"].payload == b"me\0"
    assert seen["M"].payload == b"<a@example.com>\0SIZE=10\0BODY=8BITMIME\0"
    assert (seen["M"].macro("i"), seen["M"].macro("auth_authen")) == (b"QID", b"joe")
    recipients = [event.payload for event in child.events if event.letter == Command.RCPT]
    assert recipients == [
        b"<b@example.org>\0NOTIFY=NEVER\0ORCPT=rfc822;x\0",
        b"<c@example.org>\0ORCPT=rfc822;x\0",
    ]
    assert [e.payload for e in child.events if e.letter == Command.HEADER] == [b"Subject\0hi\0", b"X\0 y\0"]
    assert seen["B"].payload == b"one\r\ntwo\r\nthree\r\n"
    assert [e.payload for e in child.events if e.letter == Command.UNKNOWN] == [b"XYZZY\0", b"HELP\0"]


@pytest.mark.parametrize(
    ("address", "payload"),
    [
        ("192.0.2.7", b"h\x004\xc3\x69192.0.2.7\0"),
        ("192.0.2.7:25", b"h\x004\x00\x19192.0.2.7\0"),
        ("2001:db8::1", b"h\x006\xc3\x692001:db8::1\0"),
        ("inet:25@192.0.2.7", b"h\x004\x00\x19192.0.2.7\0"),
        ("unix:/run/x", b"h\x00L\0\0/run/x\0"),
        ("unknown", b"h\x00U"),
    ],
)
def test_forms_of_client_addresses(address: str, payload: bytes) -> None:
    _, child = send(None, "--connect-host", "h", "--connect-address", address)
    assert child.events[1].payload == payload


def test_offers_and_habits() -> None:
    _, child = send(
        None, "--offer-version", "2", "--offer-actions", "ADDHDRS,CHGBODY", "--offer-protocol", "0x7f"
    )
    assert child.events[0].payload == bytes.fromhex("00000002 00000003 0000007f")
    assert "T" not in child.letters()
    _, child = send(None, "--like", "sendmail", "--offer-protocol", "all,-SKIP", "--helo", "")
    assert child.letters() == "OCMRTLLLLLNBEQ"
    assert child.events[0].payload[8:] == bytes.fromhex("001ffbff")
    assert child.wait_for(lambda e: e.code == "M").macro("i") == b"4Postmill1"


def test_flags_that_the_filter_negotiates_are_honoured() -> None:
    script = Script(Negotiation(protocol=0x37F & ~0x8 | 0x8000, symlists=((3, b"{rcpt_addr}"),)))
    result, child = send(script)
    assert result.status == 0
    assert child.letters() == "OREAAQ"
    rcpt = child.wait_for(lambda e: e.code == "R")
    assert rcpt.macros == ((b"{rcpt_addr}", b"receiver@example.org"),)


def test_files_standard_input_and_repeats(tmp_path: Path) -> None:
    one = tmp_path / "one.eml"
    one.write_bytes(b"Subject: one\nX-Folded: a\n\tb\n\nbody\xff\n")
    result, child = send(
        Script(rules=[Rule("E", (reply("reject"),), message=2)]),
        str(one), "-", "--repeat", "2", "-H", "X-More: 1", stdin=b"Subject: two\r\n\r\n",
    )  # fmt: skip
    assert result.status == 10
    assert [line for line in result.lines if line.startswith("message")] == [
        "message 1: accept",
        "message 2: reject",
        "message 3: accept",
        "message 4: accept",
    ]
    assert "  reply: 550 5.7.1 Command rejected" in result.lines
    headers = [event.payload for event in child.events if event.letter == Command.HEADER]
    assert headers[:4] == [b"Subject\0one\0", b"X-Folded\0a\n\tb\0", b"X-More\x001\0", b"Subject\0two\0"]
    assert [event.payload for event in child.events if event.letter == Command.BODY] == [b"body\xff\r\n"] * 2
    ids = [event.macro("i") for event in child.events if event.letter == Command.DATA]
    assert ids == [b"4Postmill1", b"4Postmill1-2", b"4Postmill1-3", b"4Postmill1-4"]


def test_abort_and_drop() -> None:
    result, child = send(None, "--abort-after", "rcpt", "--repeat", "2")
    assert (result.status, result.lines[0]) == (0, "status: aborted")
    assert child.letters().startswith("OCHMRAMRT")
    result, child = send(None, "--drop-after", "data")
    assert child.letters() == "OCHMRT"
    assert child.connections[0].how == "eof"


EDITS = Script(
    rules=[
        Rule(
            "E",
            (
                edit("add-header:X-Spam:yes"),
                edit("change-header:1:Subject:new"),
                edit("replace-body:gone"),
                Default(),
            ),
        )
    ]
)


def test_edits_message_and_difference() -> None:
    result, _ = send(EDITS, "-H", "Subject: old", "-b", "body", "--output-message", "--diff")
    assert result.lines[2:5] == [
        "edit: add-header:X-Spam:yes",
        "edit: change-header:1:Subject:new",
        "edit: replace-body: 4 bytes",
    ]
    message, _, difference = result.out.partition("\n\n")[2].partition("\n\n--- original")
    assert message == "Subject: new\nX-Spam: yes\n\ngone"
    assert "-Subject: old\n+Subject: new\n+X-Spam: yes\n \n-body\n+gone\n" in difference
    assert "\x1b[" not in result.out
    coloured, _ = send(EDITS, "--diff", "--color", "always")
    assert "\x1b[32m+X-Spam: yes\x1b[0m" in coloured.out
    unchanged, _ = send(None, "--diff")
    assert unchanged.lines[-1] == "(unchanged)"


def test_everything_as_json() -> None:
    result, _ = send(EDITS, "-H", "Subject: old", "-b", "body", "--json")
    values = json.loads(result.out)
    assert values["status"] == "accept"
    assert values["negotiated"] == {"version": 6, "actions": 0x1FF, "protocol": 0, "symlists": {}}
    (mail,) = values["messages"]
    assert mail["headers"] == [["Subject", " new"], ["X-Spam", " yes"]]
    assert mail["body"] == "gone\r\n"
    assert mail["edits"][2] == "replace-body:gone"
    assert [event["verdict"] for event in mail["events"]] == ["continue"] * 7
    failed = json.loads(send(at("M", "450 4.2.1 x"), "--json")[0].out)
    assert failed["messages"][0]["reply"] == "450 4.2.1 x"
    assert failed["messages"][0]["stage"] == "mail"
    broken = json.loads(send(Script(rules=[Rule("M", (Close(),))]), "--json")[0].out)
    assert (broken["status"], broken["error_kind"]) == ("error", "lost")


def test_every_packet_on_request() -> None:
    result, _ = send(at("M", "accept"), "-v")
    lines = result.err.splitlines()
    assert lines[0] == "> negotiate version 6 actions all protocol all"
    assert "> mail <sender@example.com>" in lines
    assert "< accept" in lines
    assert lines[-1] == "> quit"


def test_many_sessions() -> None:
    script = Script(rules=[Rule("M", (reply("reject"),), every=5), Rule("R", (Delay(0.01), Default()))])
    result, child = send(script, "-n", "50", "-c", "10")
    assert result.status == 0
    found = dict(line.split(": ", 1) for line in result.lines)
    assert (found["status"], found["sessions"], found["errors"]) == ("reject", "50", "0")
    assert (found["accept"], found["reject"]) == ("40", "10")
    assert found["latency"].startswith("p50=")
    assert found["latency"].endswith("milliseconds")
    assert len(child.connections) == 50
    broken, _ = send(Script(rules=[Rule("M", (Close(),), every=2)]), "-n", "10", "-c", "2", "--json")
    values = json.loads(broken.out)
    assert broken.status == 76
    assert values["errors"] == {"MAIL: the filter closed the connection": 5}
    assert set(values["latency"]) == {"p50", "p90", "p99", "max"}


def test_an_interrupted_run_is_reported_as_far_as_it_came() -> None:
    script = Script(rules=[Rule("M", (StopAnswering(),), connection=3)])
    command = [sys.executable, "-m", "postmill.cli", "send", "-n", "3"]
    with (
        ScriptedChild(script) as child,
        subprocess.Popen([*command, str(child.endpoint)], stdout=subprocess.PIPE, text=True) as process,
    ):
        child.wait_for(lambda event: event.connection == 3 and event.code == "M", 30)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "sessions: 2 (interrupted)\n" in out


def test_help_has_sections_and_examples() -> None:
    result = run(command, "--help")
    assert result.status == 0
    for part in (
        "The SMTP client:",
        "The message:",
        "The milter protocol:",
        "Runs and output:",
        "Exit status:",
    ):
        assert part in result.out
    assert "\n  postmill send unix:/run/postmill/postmill.sock mail.eml --diff\n" in result.out
