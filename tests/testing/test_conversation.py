"""What the fake MTA says to a filter, against what real MTAs said; no sockets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from postmill.errors import RemoteProtocolError
from postmill.testing.conversation import Conversation
from postmill.testing.outcome import Collector, Outcome, SessionReport
from postmill.testing.plan import Client, Mail, Recipient, SessionPlan
from postmill.testing.words import edit_packet, reply_packet
from postmill.wire.codes import Command, Protocol
from postmill.wire.framing import FrameReader
from postmill.wire.packets import Continue, OptNeg, Quarantine, ReplyPacket, encode

TWO = (Recipient(b"<user1@example.org>"), Recipient(b"<user2@example.org>"))
ONE_HEADER = ((b"Subject", b" hello"),)
SHORT = Mail(recipients=TWO, headers=ONE_HEADER, queue_id=b"Q1")
PLAN = SessionPlan(mails=(SHORT, replace(SHORT, recipients=TWO[:1])))

Replies = dict[str, list[str]]


def talk(
    plan: SessionPlan,
    replies: Replies | None = None,
    answer: OptNeg | None = None,
    edits: tuple[str, ...] = (),
) -> tuple[str, SessionReport, bytes]:
    """Run a conversation; `replies` gives for a letter the words that answer its first, second … event.

    Returns the letters said (a verdict other than continue in brackets, a dot for continue), report and
    bytes.
    """
    answer = answer or OptNeg(6, 0x1FF, 0)
    conversation = Conversation(plan, answer)
    run = conversation.run()
    left = {letter: list(words) for letter, words in (replies or {}).items()}
    log, said, outcome = "", b"", None
    try:
        while True:
            say = run.send(outcome)
            said += say.data
            sent = [chr(letter) for letter, _ in FrameReader().feed(say.data)]
            log += "".join(letter for letter in sent if letter != "D")
            outcome = None
            if say.reply:
                words = left.get(chr(say.command), [])
                word = words.pop(0) if words else "continue"
                changes = tuple(edit_packet(text) for text in edits) if say.command == Command.BODYEOB else ()
                outcome = Outcome(reply_packet(word), changes)
                log += "." if word == "continue" else f"({outcome.letter})"
    except StopIteration:
        return log, conversation.report, said


def test_a_session_is_byte_for_byte_what_postfix_sent() -> None:
    """A plan with the names of the recorded session gives the recorded packets (protocol §2.3, §5)."""
    text = (Path(__file__).parent / "recorded" / "postfix-plain.txt").read_text()
    recorded = [bytes.fromhex(line) for line in text.splitlines() if not line.startswith("#")]
    host = b"[127.0.0.1]:12600"
    mail = Mail(
        sender=b"<a@example.com>",
        recipients=(Recipient(b"<user1@example.org>"),),
        headers=(
            (b"From", b" a@example.com"),
            (b"To", b" user1@example.org"),
            (b"Subject", b" hello"),
            (b"Message-ID", b" <1@example.com>"),
            (b"Date", b" Mon, 1 Jan 2024 00:00:00 +0000"),
        ),
        body=b"line one\r\nline two\r\n",
        queue_id=b"CF15E23E3C2",
    )
    plan = SessionPlan(
        Client(b"localhost", b"4", 0xE524, b"127.0.0.1"),
        mails=(mail,),
        macros={
            "C": {b"j": b"mx.example.org", b"{daemon_name}": b"mx.example.org"},
            "M": {b"{mail_host}": host},
            "R": {b"rcpt_host": host},
        },
    )
    offer = encode(OptNeg(plan.offer.version, plan.offer.actions, plan.offer.protocol))
    _, report, said = talk(plan)
    assert FrameReader().feed(offer + said) == FrameReader().feed(b"".join(recorded))
    assert report.status == "accept"
    assert report.mails[0].outcomes == "Mc Rc Tc Lc Lc Lc Lc Lc Nc Bc Ec"


CONTENT = "T.L.N.B.E."


@pytest.mark.parametrize(
    ("replies", "letters", "statuses"),
    [
        ({}, f"C.H.M.R.R.{CONTENT}AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"C": ["accept"]}, "C(a)", ["accept", "accept"]),
        ({"H": ["accept"]}, "C.H(a)", ["accept", "accept"]),
        ({"C": ["tempfail"]}, "C(t)", ["temporary-failure"] * 2),
        ({"H": ["550 5.7.1 no"]}, "C.H(y)", ["reject"] * 2),
        ({"C": ["discard"]}, f"C(d)H.M.R.R.{CONTENT}AM.R.{CONTENT}AAQ", ["accept"] * 2),
        ({"M": ["reject"]}, f"C.H.M(r)AM.R.{CONTENT}AAQ", ["reject", "accept"]),
        ({"M": ["accept"]}, f"C.H.M(a)AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"R": ["reject"]}, f"C.H.M.R(r)R.{CONTENT}AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"R": ["reject", "tempfail"]}, f"C.H.M.R(r)R(t)AM.R.{CONTENT}AAQ", ["temporary-failure", "accept"]),
        ({"R": ["accept"]}, f"C.H.M.R(a)AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"R": ["discard"]}, f"C.H.M.R(d)AM.R.{CONTENT}AAQ", ["discard", "accept"]),
        ({"R": ["skip"]}, f"C.H.M.R(s){CONTENT}AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"R": ["421 4.7.0 go"]}, "C.H.M.R(y)AAQ", ["temporary-failure"] * 2),
        ({"T": ["reject"]}, f"C.H.M.R.R.T(r)AM.R.{CONTENT}AAQ", ["reject", "accept"]),
        ({"L": ["421 4.7.0 go"]}, "C.H.M.R.R.T.L(y)AAQ", ["temporary-failure"] * 2),
        ({"L": ["skip"]}, f"C.H.M.R.R.T.L(s)N.B.E.AM.R.{CONTENT}AAQ", ["accept", "accept"]),
        ({"N": ["tempfail"]}, f"C.H.M.R.R.T.L.N(t)AM.R.{CONTENT}AAQ", ["temporary-failure", "accept"]),
        ({"B": ["discard"]}, f"C.H.M.R.R.T.L.N.B(d)AM.R.{CONTENT}AAQ", ["discard", "accept"]),
        ({"E": ["shutdown"]}, "C.H.M.R.R.T.L.N.B.E(4)AAQ", ["temporary-failure"] * 2),
        ({"E": ["accept"]}, f"C.H.M.R.R.T.L.N.B.E(a)AM.R.{CONTENT}AAQ", ["accept"] * 2),
    ],
)
def test_verdicts_end_what_they_end_in_postfix(replies: Replies, letters: str, statuses: list[str]) -> None:
    """Orders of events as recorded behind Postfix 3.7 (protocol §6.2 to §6.7, §7.3)."""
    log, report, _ = talk(PLAN, replies)
    assert log == letters
    assert [mail.status for mail in report.mails] == (statuses if len(statuses) == 2 else statuses * 2)


@pytest.mark.parametrize(
    ("replies", "letters"),
    [
        ({}, f"C.H.M.R.R.{CONTENT}M.R.{CONTENT}Q"),
        ({"M": ["reject"]}, f"C.H.M(r)M.R.{CONTENT}Q"),
        ({"M": ["accept"]}, f"C.H.M(a)M.R.{CONTENT}Q"),
        ({"L": ["reject"]}, f"C.H.M.R.R.T.L(r)M.R.{CONTENT}Q"),
        ({"R": ["discard"]}, f"C.H.M.R(d)AM.R.{CONTENT}Q"),
        ({"H": ["accept"]}, "C.H(a)Q"),
    ],
)
def test_verdicts_end_what_they_end_in_sendmail(replies: Replies, letters: str) -> None:
    assert talk(replace(PLAN, like="sendmail"), replies)[0] == letters


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        (OptNeg(6, 0, 0x1FFFFF & ~0x1FF000 & ~0x80), "E.AAQ"),
        (OptNeg(6, 0, 0xFF080), "CHURMTLNBE"),
        (OptNeg(2, 0, 0), "C.H.M.R.L.N.B.E.AAQ"),
        (OptNeg(3, 0, 0), "C.H.U.M.R.L.N.B.E.AAQ"),
        (OptNeg(6, 0, Protocol.NOMAIL | Protocol.NOEOH), "C.H.U.R.T.L.B.E.AAQ"),
    ],
)
def test_flags_and_version_leave_out_events_and_replies(answer: OptNeg, letters: str) -> None:
    plan = SessionPlan(mails=(replace(SHORT, recipients=TWO[:1]),), unknown=(b"XYZZY one two",))
    log, _, said = talk(plan, answer=answer)
    if answer.protocol == 0xFF080:
        assert log == "CHUMRTLNBE.AAQ"
    else:
        assert log == letters
    assert (b"UXYZZY\0" in said) == ("U" in log)


def test_macro_packets_of_suppressed_events() -> None:
    """Postfix sends them for C H M R T U, not for content; protocol §5.4."""
    plan = SessionPlan(mails=(SHORT,), unknown=(b"XYZZY",))
    no_all = OptNeg(6, 0, 0x37F)
    heads = [
        chr(payload[0])
        for letter, payload in FrameReader().feed(talk(plan, answer=no_all)[2])
        if letter == 68
    ]
    assert "".join(heads) == "CHUMRRTE"
    heads = [
        chr(p[0]) for letter, p in FrameReader().feed(talk(replace(plan, like="sendmail"))[2]) if letter == 68
    ]
    assert "".join(heads) == "CHMRRE"
    with_id = replace(SHORT, headers=((b"Message-ID", b" <1@x>"),))
    said = talk(SessionPlan(mails=(with_id,), like="sendmail"))[2]
    assert b"DE{msg_id}\0<1@x>\0" in said


def macros_of(said: bytes, letter: str) -> list[bytes]:
    return [
        payload[1:]
        for code, payload in FrameReader().feed(said)
        if code == 68 and payload[:1] == letter.encode()
    ]


def test_symbol_lists_replace_the_default_lists() -> None:
    """Only what the filter asked for, in its order and spelling; protocol §4.6."""
    answer = OptNeg(
        6, 0x100, 0, ((2, b"{mail_addr},i nosuch"), (3, b"rcpt_addr {i}"), (5, b"{client_addr} i"), (6, b""))
    )
    said = talk(SessionPlan(mails=(SHORT,), macros={"M": {b"x": b"1"}}), answer=answer)[2]
    assert macros_of(said, "M") == [b"{mail_addr}\0sender@example.com\0"]
    assert macros_of(said, "R")[1] == b"rcpt_addr\0user2@example.org\0{i}\0Q1\0"
    assert macros_of(said, "E") == macros_of(said, "B") == [b"{client_addr}\x00127.0.0.1\0i\0Q1\0"]
    assert macros_of(said, "L") == [b"i\0Q1\0"]
    sendmail = talk(
        SessionPlan(mails=(SHORT,), like="sendmail"), answer=replace(answer, symlists=((2, b""),))
    )[2]
    assert macros_of(sendmail, "M") == [b""]


def test_own_macros_are_added_and_carried_on() -> None:
    plan = SessionPlan(
        mails=(SHORT,), macros={"C": {b"{if_addr}": b"192.0.2.1", b"v": b"Other"}, "U": {b"u": b"1"}}
    )
    said = talk(plan)[2]
    connect = macros_of(said, "C")[0]
    assert b"v\0Other\0" in connect
    assert connect.endswith(b"{if_addr}\x00192.0.2.1\0")
    asked = talk(plan, answer=OptNeg(6, 0x100, 0, ((5, b"if_addr u"),)))[2]
    assert macros_of(asked, "E") == [b"if_addr\x00192.0.2.1\0u\x001\0"]


def test_what_postfix_knows_during_the_content() -> None:
    """Its cleanup lacks macros that its smtpd has, and writes IPv6 addresses without prefix; protocol §5.2."""
    client = Client(b"mx", b"6", 25, b"2001:db8::1")
    names = b"{client_addr} {client_resolve} {mail_addr} {client_name} i"
    answer = OptNeg(6, 0x100, 0, ((2, names), (5, names)))
    said = talk(SessionPlan(client, mails=(SHORT,)), answer=answer)[2]
    assert macros_of(said, "M") == [
        b"{client_addr}\0IPv6:2001:db8::1\0{client_resolve}\0OK\0{mail_addr}\0sender@example.com\0{client_name}\0mx\0"
    ]
    assert macros_of(said, "E") == [b"{client_addr}\x002001:db8::1\0{client_name}\0mx\0i\0Q1\0"]
    sendmail = talk(SessionPlan(client, mails=(SHORT,), like="sendmail"))[2]
    assert b"IPv6:2001:db8::1\0" in sendmail.partition(b"Cmx\0")[2][:30]


def test_rejected_recipients_are_shown_only_on_request() -> None:
    refused = Recipient(b"<nobody@example.org>", refused=b"550 5.1.1 User unknown")
    plan = SessionPlan(mails=(replace(SHORT, recipients=(refused, *TWO[:1])),))
    log, report, said = talk(plan)
    assert log == f"C.H.M.R.{CONTENT}AAQ"
    assert b"nobody" not in said
    log, report, said = talk(plan, {"R": ["reject"]}, OptNeg(6, 0, Protocol.RCPT_REJ))
    assert log == f"C.H.M.R(r)R.{CONTENT}AAQ"
    assert (
        macros_of(said, "R")[0] == b"{rcpt_addr}\0User unknown\0{rcpt_host}\x005.1.1\0{rcpt_mailer}\0error\0"
    )
    assert report.mails[0].refused == [(b"<nobody@example.org>", b"550 5.1.1 User unknown")]
    assert report.mails[0].recipients == [b"<user1@example.org>"]
    assert talk(plan, {"R": ["accept"]}, OptNeg(6, 0, Protocol.RCPT_REJ))[0] == "C.H.M.R(a)AAQ"


def test_unknown_commands_inside_a_message() -> None:
    mail = replace(SHORT, unknown=(("M", b"HELP me"), ("R", b"EXPN list")))
    assert talk(SessionPlan(mails=(mail,)))[0] == f"C.H.M.U.R.R.U.{CONTENT}AAQ"
    log, _, _ = talk(SessionPlan(mails=(mail, SHORT)), {"U": ["accept"]})
    assert log == f"C.H.M.U(a)AM.R.R.{CONTENT}AAQ"
    assert talk(SessionPlan(mails=(mail,)), {"U": ["reject"]})[0] == f"C.H.M.U(r)R.R.U.{CONTENT}AAQ"
    assert b"UHELP me\0" in talk(SessionPlan(mails=(mail,), like="sendmail"))[2]


@pytest.mark.parametrize("like", ["postfix", "sendmail"])
def test_skip_ends_events_of_a_kind_until_there_is_one_of_another(
    like: Literal["postfix", "sendmail"],
) -> None:
    mail = replace(
        SHORT, headers=2 * ONE_HEADER, body=b"x" * 100_000, unknown=(("M", b"HELP"), ("M", b"HELP"))
    )
    plan = SessionPlan(mails=(mail, mail), unknown=(b"HELP", b"HELP"), like=like)
    replies = {letter: 3 * ["skip"] for letter in "URLB"}
    log, report, _ = talk(plan, replies, OptNeg(6, 0, Protocol.SKIP | Protocol.NODATA))
    message = "M.U(s)R(s)L(s)N.B(s)E."
    assert log.replace("A", "") == f"C.H.U(s){message}{message}Q"
    assert [mail.status for mail in report.mails] == ["accept", "accept"]


@pytest.mark.parametrize(
    ("stage", "said"), [("M", "M."), ("R", "M.R.R."), ("L", "M.R.R.T.L."), ("B", "M.R.R.T.L.N.B.")]
)
def test_abort_and_drop_after_a_stage(stage: str, said: str) -> None:
    aborted = replace(SHORT, abort_after=stage)
    log, report, _ = talk(SessionPlan(mails=(aborted, SHORT)))
    assert log == f"C.H.{said}AM.R.R.{CONTENT}AAQ"
    assert [mail.status for mail in report.mails] == ["aborted", "accept"]
    assert talk(SessionPlan(mails=(replace(SHORT, drop_after=stage), SHORT)))[0] == f"C.H.{said}"


def test_header_values_with_and_without_the_leading_blank() -> None:
    headers = ((b"A", b"x"), (b"B", b"  y"), (b"C", b"\tz\n w"))
    plan = SessionPlan(mails=(replace(SHORT, headers=headers),))
    seen = [payload for letter, payload in FrameReader().feed(talk(plan)[2]) if letter == Command.HEADER]
    assert seen == [b"A\0x\0", b"B\0 y\0", b"C\0\tz\n w\0"]
    said = talk(plan, answer=OptNeg(6, 0, Protocol.HDR_LEADSPC))[2]
    seen = [payload for letter, payload in FrameReader().feed(said) if letter == Command.HEADER]
    assert seen == [b"A\0x\0", b"B\0  y\0", b"C\0\tz\n w\0"]


def test_bodies_are_cut_as_mtas_cut_them() -> None:
    for body, sizes in ((b"", []), (b"x" * 65535, [65535]), (b"x" * 150000, [65535, 65535, 18930])):
        said = talk(SessionPlan(mails=(replace(SHORT, body=body),)))[2]
        assert [len(p) for letter, p in FrameReader().feed(said) if letter == Command.BODY] == sizes
    big = SessionPlan(mails=(replace(SHORT, body=b"x" * 150000),))
    assert talk(big, {"B": ["continue", "skip"]})[0] == "C.H.M.R.R.T.L.N.B.B(s)E.AAQ"


def test_edits_make_the_resulting_message() -> None:
    edits = (
        "add-header:X-Last:1\\n2",
        "insert-header:1:X-First:0",
        "change-header:1:subject:new",
        "replace-body:one\\ntwo",
        "add-rcpt:<c@example.org>",
        "delete-rcpt:user1@example.org",
        "change-from:<new@example.com>",
    )
    report = talk(SessionPlan(mails=(SHORT,)), edits=edits)[1].mails[0]
    assert report.new_headers == ((b"X-First", b" 0"), (b"subject", b" new"), (b"X-Last", b" 1\n\t2"))
    assert report.new_body == b"one\r\ntwo\r\n"
    assert report.new_recipients == (b"<user2@example.org>", b"<c@example.org>")
    assert report.new_sender == b"<new@example.com>"
    assert report.status == "accept"
    unedited = talk(SessionPlan(mails=(SHORT,)))[1].mails[0]
    assert (unedited.new_headers, unedited.new_body) == (SHORT.headers, SHORT.body)
    assert talk(SessionPlan(mails=(SHORT,)), {"E": ["reject"]}, edits=edits)[1].mails[0].new_headers == ()


def test_quarantine_and_its_verdicts() -> None:
    plan = SessionPlan(mails=(SHORT,))
    for verdict, status in (("continue", "quarantine"), ("accept", "quarantine"), ("reject", "reject")):
        report = talk(plan, {"E": [verdict]}, edits=("quarantine:virus",))[1].mails[0]
        assert report.status == status
    assert report.edits


def held(at: str) -> tuple[str, list[str]]:
    """What is said when the filter quarantines at the first event of a letter, and the statuses."""
    conversation = Conversation(PLAN, OptNeg(6, 0x1FF, 0))
    run, log, outcome = conversation.run(), "", None
    done = False
    while True:
        try:
            say = run.send(outcome)
        except StopIteration:
            return log, [mail.status for mail in conversation.report.mails]
        log += "".join(chr(letter) for letter, _ in FrameReader().feed(say.data) if letter != Command.MACRO)
        outcome = None
        if say.reply:
            hold = (Quarantine(b"why"),) if chr(say.command) == at and not done else ()
            done = done or bool(hold)
            outcome = Outcome(Continue(), hold)


@pytest.mark.parametrize(
    ("at", "letters", "statuses"),
    [
        ("C", "CLNBEALNBEAAQ", ["quarantine"] * 2),
        ("M", "CHMLNBEALNBEAAQ", ["quarantine"] * 2),
        ("R", "CHMRLNBEALNBEAAQ", ["quarantine"] * 2),
        ("L", "CHMRRTLAMRTLNBEAAQ", ["quarantine", "accept"]),
        ("E", "CHMRRTLNBEAMRTLNBEAAQ", ["quarantine", "accept"]),
    ],
)
def test_early_quarantine_ends_what_it_ends_in_postfix(at: str, letters: str, statuses: list[str]) -> None:
    """Protocol §3.5: sticky for the connection before the content, for the message within it."""
    assert held(at) == (letters, statuses)


def test_the_queue_id_exists_after_the_first_accepted_recipient() -> None:
    """Protocol §5.3, as recorded: a refused first recipient leaves the second without queue id."""
    three = SessionPlan(mails=(replace(SHORT, recipients=(*TWO, Recipient(b"<user3@example.org>"))),))
    ids = [b"i\0Q1\0" in macros for macros in macros_of(talk(three, {"R": ["reject"]})[2], "R")]
    assert ids == [False, False, True]
    assert [b"i\0Q1\0" in macros for macros in macros_of(talk(three)[2], "R")] == [False, True, True]


def test_sessions_have_the_gravest_status_of_their_messages() -> None:
    report = talk(PLAN, {"E": ["discard", "reject"]})[1]
    assert report.status == "reject"
    assert report.deciding is report.mails[1]
    assert report.mails[1].reply == b"550 5.7.1 Command rejected"
    assert report.mails[1].stage == "E"


def collect(command: str, *packets: ReplyPacket, **options: bool) -> Outcome | None:
    collector = Collector(ord(command), **options)
    outcome = None
    for packet in packets:
        assert outcome is None
        outcome = collector.take(packet.letter, packet.payload())
    return outcome


def test_replies_are_collected_up_to_the_verdict() -> None:
    progress, hold, add = (
        reply_packet("progress"),
        edit_packet("quarantine:why"),
        edit_packet("add-header:A:b"),
    )
    outcome = collect("E", progress, add, hold, progress, Continue())
    assert outcome is not None
    assert (outcome.progress, outcome.edits, outcome.word, outcome.quarantine) == (
        2,
        (add, hold),
        "continue",
        b"why",
    )
    assert collect("M", progress) is None
    with pytest.raises(RemoteProtocolError, match="add-header:A:b' is not allowed at mail"):
        collect("M", add)
    assert collect("M", add, Continue(), strict=False) is not None
    with pytest.raises(RemoteProtocolError):
        collect("M", progress, early=False)
    with pytest.raises(RemoteProtocolError):
        Collector(ord("M")).take(ord("Z"), b"")
    with pytest.raises(RemoteProtocolError):
        Collector(ord("M")).take(ord("y"), b"550-unfinished\0")
    with pytest.raises(RemoteProtocolError):
        collect("M", reply_packet("conn-fail"))
