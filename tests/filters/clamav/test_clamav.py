"""``clamav`` without clamd: what its answers mean, what is not looked at, faults."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api import Accept, Discard, Quarantine, Reject, Tempfail, Verdict
from postmill.filters.clamav import app
from postmill.filters.clamav.clamd import FROM, read_reply
from postmill.filters.clamav.policy import read_allow_list
from postmill.testing import deliver
from tests.filters.scanners import FakeScanner
from tests.interop.postfix import wait_until


def shown(connection: BinaryIO) -> bytes:
    """Take one message off a connection, as clamd does: a stream, or an open file."""
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        if raw.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL) == b"zFIL":
            assert raw.recv(8, socket.MSG_WAITALL) == b"zFILDES\0"
            _, (descriptor,), _, _ = socket.recv_fds(raw, 1, 1)
            with open(descriptor, "rb") as file:
                file.seek(0)
                return file.read()
    assert connection.read(10) == b"zINSTREAM\0"
    data = b""
    while size := struct.unpack(">I", connection.read(4))[0]:
        data += connection.read(size)
    return data


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[FakeScanner]:
    """A clamd that finds nothing."""
    fake = FakeScanner(tmp_path / "clamd.sock", b"stream: OK\0", shown)
    yield fake
    fake.close()


VIRUS = b"stream: Win.Test-1 FOUND\0"


@pytest.mark.parametrize(
    ("on_infected", "verdict"),
    [
        ("reject", Reject("5.7.1 Virus Win.Test-1 found")),
        ("quarantine", Quarantine("virus Win.Test-1")),
        ("tempfail", Tempfail()),
        ("discard", Discard()),
        ("accept", Accept()),
    ],
)
def test_a_virus(clamd: FakeScanner, on_infected: str, verdict: Verdict) -> None:
    clamd.reply = VIRUS
    settings = {"clamd": [clamd.address], "on_infected": on_infected, "add_header": "add"}
    done = deliver(app, settings=settings)
    assert done.verdict == verdict
    marked = {"quarantine", "accept"}
    assert done.all("X-Virus-Status") == (("Infected (Win.Test-1)",) if on_infected in marked else ())


@pytest.mark.parametrize("lines", [2, 40_000])
@pytest.mark.parametrize("local", [True, False], ids=["unix", "tcp"])
def test_what_clamd_sees_is_the_message(local: bool, lines: int, tmp_path: Path) -> None:
    raw = b"Subject: x\r\nX-Long:  two\r\n\tlines\r\n\r\n" + b"body\r\n" * lines
    clamd = FakeScanner(tmp_path / "clamd.sock" if local else None, b"stream: OK\0", shown)
    try:
        verdict = deliver(app, message=raw, settings={"clamd": [clamd.address]}).verdict
    finally:
        clamd.close()
    assert isinstance(verdict, Accept)
    assert verdict.because == "clean"
    assert clamd.asked == [FROM + raw]


def test_earlier_marks_are_replaced(clamd: FakeScanner) -> None:
    headers = ("X-Virus-Status: No", "Subject: x", "x-virus-status: Perhaps", "X-Virus-Scanned: by me")
    done = deliver(app, headers=headers, settings={"clamd": [clamd.address], "add_header": "replace"})
    assert [header.name for header in done.headers] == ["Subject", "X-Virus-Scanned", "X-Virus-Status"]
    assert done.all("X-Virus-Status") == ("Clean",)
    assert done.all("X-Virus-Scanned")[0].endswith(" at mail.example.org")


def test_of_a_large_message_the_beginning_is_looked_at(clamd: FakeScanner) -> None:
    settings = {"clamd": [clamd.address], "max_file_size": 100, "add_header": "replace"}
    raw = b"X-Virus-Status: Clean\r\n\r\n" + b"x" * 200 + b"\r\n"
    done = deliver(app, message=raw, settings=settings)
    assert (isinstance(done.verdict, Accept), clamd.asked) == (True, [(FROM + raw)[:100]])
    assert done.all("X-Virus-Status") == ("Clean (the first 81 bytes)",)
    clamd.reply = VIRUS
    assert isinstance(deliver(app, message=raw, settings=settings).verdict, Reject)
    deliver(app, message=raw, settings={**settings, "max_file_size": len(FROM + raw)})
    assert clamd.asked[2:] == [FROM + raw]
    deliver(app, message=raw, settings={**settings, "max_file_size": 1})
    assert clamd.asked[3:] == [FROM]


@pytest.mark.parametrize(
    ("settings", "mail"),
    [
        ({"local_networks": ["192.0.2.0/24"]}, {}),
        ({"skip_local": True}, {"ip": None, "name": "localhost"}),
        ({"skip_authenticated": "^JO"}, {"user": "joe"}),
        ({"allow_list": "From:^<Joe@[[:alpha:].]*>$"}, {}),
        ({"allow_list": "From:\\(jo\\{1,2\\}e\\)@"}, {}),
        ({"allow_list": "From:[[:<:]]joe"}, {}),
        ({"allow_list": "To:@example.org>$"}, {}),
        ({"skip_authenticated": "^[[:alpha:]]+$"}, {"user": "joe"}),
        ({"allow_list": "# one\n\njane"}, {}),
    ],
)
def test_what_is_not_looked_at(
    clamd: FakeScanner, tmp_path: Path, settings: dict[str, Any], mail: dict[str, Any]
) -> None:
    clamd.reply = VIRUS
    if "allow_list" in settings:
        (tmp_path / "allow").write_text(settings["allow_list"])
        settings = {"allow_list": str(tmp_path / "allow")}
    assert isinstance(deliver(app, settings={"clamd": [clamd.address], **settings}, **mail).verdict, Accept)
    assert clamd.asked == []


@pytest.mark.parametrize(
    ("settings", "mail"),
    [
        ({"local_networks": ["192.0.2.0/24"]}, {"ip": "198.51.100.1"}),
        ({"skip_authenticated": "^jo"}, {"user": "ann"}),
        ({}, {"ip": None}),
        ({"skip_local": True}, {"ip": None, "name": "mail.example.org"}),
        ({"allow_list": "From:joe+@"}, {}),
        ({"allow_list": "From:^joe@"}, {}),
        ({"allow_list": "From:*joe"}, {}),
        ({"allow_list": "From:\\(ann\\|joe\\)@"}, {}),
        ({"allow_list": "From:[a\\]-z]oe"}, {}),
        ({"skip_authenticated": "^jo"}, {}),
        ({"allow_list": "To:jane"}, {"to": ["jane@example.org", "jim@example.org"]}),
    ],
)
def test_what_is(clamd: FakeScanner, tmp_path: Path, settings: dict[str, Any], mail: dict[str, Any]) -> None:
    clamd.reply = VIRUS
    if "allow_list" in settings:
        (tmp_path / "allow").write_text(settings["allow_list"])
        settings = {"allow_list": str(tmp_path / "allow")}
    done = deliver(app, settings={"clamd": [clamd.address], **settings}, **mail)
    assert done.verdict == Reject("5.7.1 Virus Win.Test-1 found")


@pytest.mark.parametrize("reply", [b"", b"nonsense\0", b"stream: OK"])
def test_answers_that_are_none_and_nobody_there(clamd: FakeScanner, tmp_path: Path, reply: bytes) -> None:
    clamd.reply = reply
    settings = {"clamd": [clamd.address, f"unix:{tmp_path}/nobody"], "patience": "0s"}
    with pytest.raises(
        OSError, match=r"clamd cannot be asked: unix:.*clamd\.sock: .*; unix:.*nobody: No such file"
    ):
        deliver(app, settings=settings)


@pytest.mark.parametrize(
    ("each", "recipients"),
    [(False, ["b@x.example"]), (True, ["<a@x.example>", "<b@x.example>"])],
)
def test_the_program_is_told(clamd: FakeScanner, tmp_path: Path, each: bool, recipients: list[str]) -> None:
    clamd.reply = VIRUS
    program = script(tmp_path, f'printf "%s|" "$@" >> {tmp_path}/told\nexit 3\n')
    settings = {"clamd": [clamd.address], "virus_action": program, "each_recipient": each}
    headers = ["Subject: it's\n Gr\u00fcn", "Subject: no", "message-id: "]
    done = deliver(app, settings=settings, to=["a@x.example", "b@x.example"], headers=headers)
    assert done.status == "reject"
    told = [f"Win.Test-1|4Postmill1|joe@example.net|{to}|it s  Gr  n||UNKNOWN|" for to in recipients]
    assert (tmp_path / "told").read_text() == "".join(told)


def script(directory: Path, text: str) -> str:
    program = directory / "action"
    program.write_text(f"#!/bin/sh\n{text}")
    program.chmod(0o755)
    return str(program)


def test_the_verdict_stands_whatever_the_program_does(
    clamd: FakeScanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that does not end is ended with what it has started, and all its runs have one time."""
    clamd.reply = VIRUS
    monkeypatch.setattr("postmill.filters.clamav.action.WITHIN", 0.5)
    slow = script(tmp_path, f"sleep 600 &\necho $! >> {tmp_path}/started\nwait\n")
    for program in (slow, "/no/such"):
        settings = {"clamd": [clamd.address], "virus_action": program, "each_recipient": True}
        assert deliver(app, settings=settings, to=["a@x.example", "b@x.example"]).status == "reject"
    assert "took longer than 0.5 s" in caplog.text
    assert "/no/such: " in caplog.text
    (pid,) = (tmp_path / "started").read_text().split()
    wait_until(lambda: not runs(pid), "the program still runs")


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def test_mistakes_in_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        deliver(app, settings={"skip_authenticated": "("})
    with pytest.raises(ValueError, match=r"skip_authenticated: .* there is no \\d in POSIX"):
        deliver(app, settings={"skip_authenticated": "joe\\d"})
    with pytest.raises(ValueError, match="of another class"):
        deliver(app, settings={"reject_text": "4.7.1 %v"})
    with pytest.raises(FileNotFoundError):
        deliver(app, settings={"allow_list": str(tmp_path / "nothing")})
    (tmp_path / "list").write_text("To:a\n[\n")
    with pytest.raises(ValueError, match=r"list:2: /\[/ is no regular expression"):
        read_allow_list(str(tmp_path / "list"))
    (tmp_path / "list").write_text("From:\n")
    with pytest.raises(ValueError, match=r"list:1: 'From:' would be true of everybody"):
        read_allow_list(str(tmp_path / "list"))


def test_a_message_that_is_too_large_for_clamd_is_not_sent_again(clamd: FakeScanner, tmp_path: Path) -> None:
    clamd.reply = b"INSTREAM size limit exceeded. ERROR\0"
    with pytest.raises(OSError, match=r"clamd says: INSTREAM size limit exceeded"):
        deliver(app, settings={"clamd": [clamd.address, f"unix:{tmp_path}/nobody"], "patience": "10s"})
    assert len(clamd.asked) == 1


@pytest.mark.parametrize("words", [b"Can't write to temporary file", b"Can't allocate memory"])
def test_a_clamd_that_is_unwell_is_passed_over(words: bytes, clamd: FakeScanner, tmp_path: Path) -> None:
    clamd.reply = b"INSTREAM: " + words + b". ERROR\0"
    well = FakeScanner(tmp_path / "well.sock", VIRUS, shown)
    assert deliver(app, settings={"clamd": [clamd.address, well.address]}).status == "reject"
    well.close()
    with pytest.raises(OSError, match=r"unix:.*: clamd says: INSTREAM: Can't .*ERROR"):
        deliver(app, settings={"clamd": [clamd.address], "patience": "0s"})


def test_a_file_is_spoken_of_by_its_number() -> None:
    assert read_reply(b"fd[10]: Win.Test-1 FOUND\0") == "Win.Test-1"
    assert read_reply(b"fd[7]: OK\0") is None


def test_a_name_of_a_virus_can_be_printed() -> None:
    assert read_reply("stream: W\u200bé\u074b FOUND\0".encode()) == "W?é?"


def test_a_long_name_of_a_virus_is_cut() -> None:
    assert read_reply(b"stream: " + b"x" * 500 + b" FOUND\0") == "x" * 120
    assert read_reply(b"stream: " + "é".encode() * 500 + b" FOUND\0") == "é" * 60


@pytest.mark.parametrize("on_infected", ["reject", "quarantine", "discard"])
def test_a_long_name_is_told_all_the_same(clamd: FakeScanner, on_infected: str) -> None:
    clamd.reply = b"stream: " + "é".encode() * 500 + b" FOUND\0"
    settings = {"clamd": [clamd.address], "on_infected": on_infected, "reject_text": "5.7.1 %v, %v"}
    assert deliver(app, settings=settings).status == on_infected
    with pytest.raises(ValueError, match="bytes, more than"):
        deliver(app, settings={"reject_text": "5.7.1 %v %v %v %v"})


@given(st.one_of(st.binary(max_size=60), st.builds(b"stream: %b FOUND\0".__mod__, st.binary(max_size=9))))
def test_whatever_clamd_says(reply: bytes) -> None:
    try:
        virus = read_reply(reply)
    except (OSError, ValueError):
        return
    assert virus is None or (virus and virus.isprintable())
