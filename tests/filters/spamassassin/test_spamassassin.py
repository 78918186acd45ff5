"""``spamassassin`` with a spamd that says what it is told to: what is asked, what is taken over, faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.api import Accept, Reject, Verdict
from postmill.filters.spamassassin import app, expansion
from postmill.filters.spamassassin.rewriting import split
from postmill.filters.spamassassin.spamd import read_answer
from postmill.testing import deliver
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Recipient, SessionPlan, mail_from_bytes
from tests.filters.beside import play
from tests.filters.scanners import FakeScanner
from tests.net.hosting import Host
from tests.stack.messages import gtube, message

HEAD = b"X-Spam-Checker-Version: SpamAssassin 4\nX-Spam-Status: No, score=1.0\n\ttests=A,B\nSubject: hello\n\nHello.\n"


def answer(spam: str, message: bytes = HEAD) -> bytes:
    return f"SPAMD/1.1 0 EX_OK\r\nContent-length: {len(message)}\r\nSpam: {spam}\r\n\r\n".encode() + message


@pytest.fixture
def spamd(tmp_path: Path) -> Iterator[FakeScanner]:
    """A spamd that finds nothing."""
    fake = FakeScanner(tmp_path / "spamd.sock", answer("False ; 1.0 / 5.0"), lambda stream: stream.read())
    yield fake
    fake.close()


@pytest.mark.parametrize(
    ("said", "score", "verdict"),
    [
        ("False ; 1.0 / 5.0", 15, None),
        ("True ; 8.0 / 5.0", 15, Accept()),
        ("True ; 15.0 / 5.0", 15, Reject("5.7.1 Blocked by SpamAssassin")),
        ("True ; 1000.0 / 5.0", "never", Accept()),
        ("True ; 5.0 / 5.0", "spam", Reject("5.7.1 Blocked by SpamAssassin")),
        ("False ; 4.9 / 5.0", "spam", None),
        ("Yes ; 8 / 5", -1, Reject("5.7.1 Blocked by SpamAssassin")),
        ("False ; 0.3 / 5.0", -1, None),
        ("False ; 0.3 / 5.0", 0.2, Reject("5.7.1 Blocked by SpamAssassin")),
    ],
)
def test_scores(spamd: FakeScanner, said: str, score: object, verdict: Verdict | None) -> None:
    spamd.reply = answer(said)
    assert deliver(app, settings={"spamd": [spamd.address], "reject_score": score}).verdict == verdict


def test_what_spamd_is_asked(spamd: FakeScanner) -> None:
    macros = {"T": {"i": "QID1"}}
    raw = b"X-Spam-Status: No\r\nSubject: x\r\nx-spam-own: y\r\n\r\nbody\r\n"
    to = ["jane@example.org", "joan@example.org"]
    deliver(app, settings={"spamd": [spamd.address]}, message=raw, to=to, macros=macros)
    head, _, message = spamd.asked[0].partition(b"\r\n\r\n")
    assert head == f"HEADERS SPAMC/1.5\r\nContent-length: {len(message)}".encode()
    lines = message.decode().split("\r\n")
    assert lines[:6] == [
        "X-Envelope-From: <joe@example.net>",
        "X-Envelope-To: <jane@example.org>",
        "X-Envelope-To: <joan@example.org>",
        "Received: from mail.example.net (mail.example.net [192.0.2.5])",
        "\tby mail.example.org (Postmill) with ESMTP id QID1",
        "\t(envelope-from <joe@example.net>);",
    ]
    assert lines[7:] == ["Subject: x", "", "body", ""]


@pytest.mark.parametrize(
    ("settings", "to", "user"),
    [
        ({}, ["a@x.example"], b""),
        ({"user": "Spamass-milter"}, ["a@x.example"], b"User: Spamass-milter\r\n"),
        ({"default_user": "nobody"}, ["Ann+box@x.example"], b"User: ann\r\n"),
        ({"default_user": "nobody", "full_address": True}, ["Ann@X.example"], b"User: ann@x.example\r\n"),
        ({"default_user": "nobody"}, ["a@x.example", "b@x.example"], b"User: nobody\r\n"),
        ({"default_user": "nobody"}, ["+box@x.example"], b"User: nobody\r\n"),
        ({"default_user": "nobody"}, ["a\u00a0b@x.example"], "User: a\u00a0b\r\n".encode()),
        ({"default_user": "nobody"}, ["a\r\nb@x.example"], b"User: nobody\r\n"),
        ({"default_user": "nobody", "full_address": True}, ["a\nb@x.example"], b"User: nobody\r\n"),
    ],
)
def test_whose_preferences_count(
    spamd: FakeScanner, settings: dict[str, Any], to: list[str], user: bytes
) -> None:
    deliver(app, settings={"spamd": [spamd.address], **settings}, to=to)
    assert spamd.asked[0].startswith(b"HEADERS SPAMC/1.5\r\n" + user + b"Content-length:")


def test_recipients_that_are_no_utf8(spamd: FakeScanner) -> None:
    """They are told to the byte: to spamd, to the MTA that is to forget them, and to who gets the spam."""
    spamd.reply = answer("True ; 9.0 / 5.0")
    settings = {"spamd": [spamd.address], "spam_to": "spam@x.example"}
    host = Host()
    whole = host.add({}, filters=[{"use": "spamassassin", "settings": settings}])
    own = {"spamd": [spamd.address], "default_user": "nobody"}
    preferring = host.add({}, filters=[{"use": "spamassassin", "settings": own}])
    mail = mail_from_bytes(b"Subject: x\r\n\r\n", sender=b"<a\xf6@x>", recipients=(Recipient(b"<J\xf6@X>"),))
    with host:
        (report,) = FakeMta(whole).session(SessionPlan(mails=(mail,))).mails
        FakeMta(preferring).session(SessionPlan(mails=(mail,)))
    assert report.new_recipients == (b"<spam@x.example>",)
    assert (b"X-Spam-Orig-To", b" <J\xf6@X>") in report.new_headers
    assert b"\nUser: j\xf6\r\n" in spamd.asked[1]
    assert b"X-Envelope-From: <a\xf6@x>\r\nX-Envelope-To: <J\xf6@X>\r\n" in spamd.asked[1]


def test_its_headers_take_the_place_of_others(spamd: FakeScanner) -> None:
    headers = ("X-Spam-Flag: YES", "Subject: x", "x-spam-status: No", "X-Spam-Status: Yes")
    done = deliver(app, settings={"spamd": [spamd.address]}, headers=headers)
    assert [header.raw for header in done.headers] == [
        b"Subject: x",
        b"X-Spam-Checker-Version: SpamAssassin 4",
        b"X-Spam-Status: No, score=1.0\r\n\ttests=A,B",
    ]
    spamd.reply = answer("True ; 9.0 / 5.0")
    untouched = deliver(app, settings={"spamd": [spamd.address], "modify": "nothing"}, headers=headers)
    assert len(untouched.headers) == 4


@pytest.mark.parametrize("value", [b"a" * 70000, b"a " * 35000, b"a\n " * 23000, "é".encode() * 35000])
def test_headers_that_are_too_long_are_cut(spamd: FakeScanner, value: bytes) -> None:
    """No packet holds them; the sender decides about the length of a subject that spamd marks."""
    made = b"X-Spam-Report: %b\nX-Spam-Flag: YES\nSubject: [SPAM] %b\n\nHello.\n" % (value, value)
    spamd.reply = answer("True ; 9.0 / 5.0", made)
    done = deliver(app, settings={"spamd": [spamd.address], "modify": "all"}, body="Hello.\r\n")
    assert done.all("X-Spam-Flag") == ("YES",)
    (report,), (subject,) = done.all("X-Spam-Report"), done.all("Subject")
    assert subject.startswith("[SPAM] ")
    lengths = [len(one.raw.replace(b"\r", b"")) for one in done.headers if one.value in (report, subject)]
    assert all(59990 < length < 60020 for length in lengths)


def test_a_mark_whose_name_is_too_long_is_nobodys(spamd: FakeScanner) -> None:
    long = "X-Spam-" + "a" * 65523
    done = deliver(app, settings={"spamd": [spamd.address]}, headers=(f"{long}:", "X-Spam-Flag: YES"))
    assert (done.all("X-Spam-Flag"), done.status) == ((), "accept")


@pytest.mark.parametrize(("modify", "left"), [("headers", ()), ("all", ()), ("nothing", ("NO",))])
def test_forged_marks_do_not_stay_on_what_is_too_large_to_look_at(modify: str, left: tuple[str, ...]) -> None:
    headers = ("X-Spam-Flag: NO", "Subject: x")
    done = deliver(app, settings={"max_size": 100, "modify": modify}, headers=headers, body="x" * 101)
    assert (done.all("X-Spam-Flag"), done.all("Subject"), done.status) == (left, ("x",), "accept")


def test_a_header_without_value_is_not_added(spamd: FakeScanner) -> None:
    spamd.reply = answer("False ; 0.0 / 5.0", HEAD.replace(b"Subject", b"X-Spam-Level: \nSubject"))
    done = deliver(app, settings={"spamd": [spamd.address]}, headers=("X-Spam-Level: **", "Subject: x"))
    assert done.all("X-Spam-Level") == ()
    assert len(done.headers) == 3


def test_all_that_it_changed(spamd: FakeScanner) -> None:
    made = b"Subject: [SPAM] hello\nX-Spam-Flag: YES\nContent-Type: multipart/mixed;\n boundary=x\n\nreport\n"
    spamd.reply = answer("True ; 9.0 / 5.0", made)
    done = deliver(app, settings={"spamd": [spamd.address], "modify": "all"})
    assert spamd.asked[0].startswith(b"PROCESS ")
    assert (done.all("Subject"), done.all("Content-Type")) == (
        ("[SPAM] hello",),
        ("multipart/mixed;\n boundary=x",),
    )
    assert (done.all("X-Spam-Flag"), done.body) == (("YES",), b"report\r\n")


def test_spam_goes_elsewhere(spamd: FakeScanner) -> None:
    settings = {"spamd": [spamd.address], "spam_to": "spam@example.org"}
    to = ["a@x.example", "b@x.example"]
    assert deliver(app, settings=settings, to=to).recipients == ("a@x.example", "b@x.example")
    spamd.reply = answer("True ; 9.0 / 5.0")
    done = deliver(app, settings=settings, to=to)
    assert (done.recipients, done.all("X-Spam-Orig-To")) == (
        ("spam@example.org",),
        tuple(f"<{one}>" for one in to),
    )
    for spelling in ("spam@example.org", "Spam@example.org"):
        own = deliver(app, settings=settings, to=["a@x.example", spelling])
        assert own.recipients == (spelling,)
    copied = deliver(app, settings={**settings, "spam_copy": True}, to=to)
    assert copied.recipients == (*to, "spam@example.org")


@pytest.mark.parametrize(
    ("settings", "mail"),
    [
        ({"ignore": ["192.0.2.0/24"]}, {}),
        ({"skip_authenticated": True}, {"user": "joe"}),
        ({"max_size": 100}, {"body": "x" * 101}),
    ],
)
def test_what_is_not_looked_at(spamd: FakeScanner, settings: dict[str, Any], mail: dict[str, Any]) -> None:
    done = deliver(app, settings={"spamd": [spamd.address], **settings}, **mail)
    assert (isinstance(done.verdict, Accept), spamd.asked) == (True, [])
    assert deliver(app, settings={"spamd": [spamd.address], **settings}, ip="198.51.100.1").verdict is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "an answer that is none"),
        (b"nonsense\r\n\r\n", "an answer that is none: spamd answered b'nonsense"),
        (b"SPAMD/1.1 76 Bad header line\r\n\r\n", "spamd says: Bad header line"),
        (answer("True ; 9.0 / 5.0")[:-3], "announced b'102' bytes and sent 99"),
        (answer("Perhaps"), "gave no verdict"),
    ],
)
def test_faults(spamd: FakeScanner, said: bytes, words: str) -> None:
    spamd.reply = said
    with pytest.raises(OSError, match=f"(spamd cannot be asked: unix:.*)?{words}"):
        deliver(app, settings={"spamd": [spamd.address], "patience": "0s"})


def test_a_spamd_that_is_unwell_is_passed_over(spamd: FakeScanner, tmp_path: Path) -> None:
    spamd.reply = b"SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n"
    well = FakeScanner(tmp_path / "well.sock", answer("True ; 9.0 / 5.0"), lambda stream: stream.read())
    settings = {"spamd": [spamd.address, well.address], "reject_score": 5}
    assert deliver(app, settings=settings).status == "reject"
    well.close()


@pytest.mark.parametrize(("on_error", "status"), [("tempfail", "temporary-failure"), ("accept", "accept")])
def test_a_spamd_that_is_gone_is_no_clean_bill(on_error: str, status: str, tmp_path: Path) -> None:
    """spamass-milter lets everything pass; here the administrator says what becomes of it."""
    settings = {"spamd": [f"unix:{tmp_path}/nobody"], "patience": "0s"}
    host = Host()
    endpoint = host.add({}, filters=[{"use": "spamassassin", "on_error": on_error, "settings": settings}])
    with host:
        assert play(endpoint, message("Buy", gtube() + "\n").as_bytes()).status == status
        assert "spamd cannot be asked" in host.log


def test_mistakes_in_settings() -> None:
    with pytest.raises(ValueError, match="of another class"):
        deliver(app, settings={"reject_text": "4.7.1 later"})
    with pytest.raises(ValueError, match="user is the one for all"):
        deliver(app, settings={"user": "a", "default_user": "b"})
    with pytest.raises(ValueError, match="spam_to: 'me' is no address"):
        deliver(app, settings={"spam_to": "me"})


@given(st.one_of(st.binary(max_size=80), st.builds(answer, st.text(max_size=20), st.binary(max_size=40))))
def test_whatever_spamd_says(data: bytes) -> None:
    with suppress(OSError, ValueError):
        assert isinstance(read_answer(data).score, float)


@given(st.binary(max_size=200))
def test_whatever_message_it_made(data: bytes) -> None:
    fields, body = split(data)
    assert all(name and "\n" not in name for name, _ in fields)
    assert b"\n" not in body.replace(b"\r\n", b"")


def program(directory: Path, script: str) -> str:
    path = directory / "sendmail"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("script", ["exec sleep 60", "exit 1", "exec /nonexistent"])
def test_whose_mail_it_is_when_nobody_can_say(
    spamd: FakeScanner, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "WITHIN", 0.3)
    settings = {"spamd": [spamd.address], "default_user": "nobody", "expand": program(tmp_path, script)}
    assert deliver(app, settings=settings, to=["ann@x.example"]).verdict is None
    user = b"ann" if "sleep" in script else b"nobody"  # it is not known, or it is nobody's
    assert b"\r\nUser: " + user + b"\r\n" in spamd.asked[0]


def test_programs_that_cannot_say(tmp_path: Path) -> None:
    usual = {"default_user": "nobody"}
    with pytest.raises(ValueError, match="expand needs default_user"):
        deliver(app, settings={"expand": program(tmp_path, "exit 0")})
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="is no program that can be run"):
            deliver(app, settings={**usual, "expand": str(path)})


@pytest.mark.interop
def test_the_program_of_postfix_is_refused() -> None:
    with pytest.raises(ValueError, match="is Postfix's, which only mails a report"):
        deliver(app, settings={"default_user": "nobody", "expand": "/usr/sbin/sendmail"})
