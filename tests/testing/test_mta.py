"""The fake MTA over sockets, against the scripted child."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmill.errors import RemoteProtocolError
from postmill.testing.child import ScriptedChild
from postmill.testing.mta import FakeMta
from postmill.testing.plan import Mail, Offer, Recipient, SessionPlan
from postmill.testing.script import Close, Delay, Negotiation, Rule, Script, Send, StopAnswering
from postmill.testing.words import edit, reply, send
from postmill.wire.codes import Protocol
from postmill.wire.framing import frame
from postmill.wire.packets import Continue, Quarantine, ReplaceBody

MAIL = Mail(recipients=(Recipient(b"<a@example.org>"), Recipient(b"<b@example.org>")))


@pytest.mark.parametrize("endpoint", [None, "inet:0@127.0.0.1", "inet6:0@::1"])
def test_a_whole_session(endpoint: str | None) -> None:
    edits = (edit("add-header:X-Seen:yes"), edit("progress"), edit("replace-body:new"), reply("continue"))
    with ScriptedChild(
        Script(rules=[Rule("E", edits, message=2), Rule("M", (reply("reject"),), message=3)]), endpoint
    ) as child:
        report = FakeMta(child.endpoint).session(SessionPlan(mails=(MAIL, MAIL, MAIL)))
        assert [mail.status for mail in report.mails] == ["accept", "accept", "reject"]
        assert report.mails[1].new_headers == (*MAIL.headers, (b"X-Seen", b" yes"))
        assert report.mails[1].new_body == b"new\r\n"
        assert report.status == "reject"
        child.wait_closed()
        assert child.letters() == "OCH" + "MRRTLLLNBEA" * 2 + "MA" + "AQ"
        assert child.connections[0].how == "quit"
        assert [c.progress for c in (s.outcome for s in report.mails[1].stages)][-1] == 1


def test_single_commands_and_their_outcomes() -> None:
    script = Script(
        Negotiation(protocol=Protocol.NR_HELO | Protocol.NORCPT | Protocol.NOUNKNOWN),
        [Rule("M", (reply("450 4.2.0 100% busy"),)), Rule("E", (edit("quarantine:virus"), reply("accept")))],
    )
    with ScriptedChild(script) as child, FakeMta(child.endpoint) as mta:
        assert mta.negotiate().protocol == script.negotiate.protocol
        assert mta.client(host=b"h", macros={b"j": b"mx"}).word == "continue"
        assert mta.helo().verdict is None
        assert mta.mail(b"<a@b>", b"SIZE=1", macros=[(b"i", b"1")]).reply == b"450 4.2.0 100% busy"
        assert mta.rcpt().verdict is None
        assert mta.unknown(b"X").verdict is None
        assert mta.data().letter == mta.header(b"A", b"b").letter == mta.end_of_headers().letter == "c"
        assert mta.body(b"x").verdict == Continue()
        outcome = mta.end_of_message()
        assert (outcome.edits, outcome.quarantine, outcome.letter) == ((Quarantine(b"virus"),), b"virus", "a")
        assert mta.command("R", b"r\0", force=True).letter == "c"
        mta.abort()
        mta.quit()
        child.wait_closed()
        assert child.letters() == "OCHMTLNBERAQ"
        assert child.events[1].macros == ((b"j", b"mx"),)
        assert child.events[3].payload == b"<a@b>\0SIZE=1\0"


def test_faults_are_told_apart() -> None:
    rules = [
        Rule("C", (reply("continue"), reply("continue"))),
        Rule("H", (edit("add-header:A:b"), reply("continue"))),
        Rule("M", (Send(b"\0\0"), Close())),
        Rule("R", (Close(),)),
        Rule("T", (StopAnswering(),)),
        Rule("L", (Send(frame(ord("Z"))),)),
        Rule("N", (Send(b"\0\0\0\0"),)),
    ]
    with ScriptedChild(Script(rules=rules)) as child:
        for letter, error in (
            ("C", RemoteProtocolError),
            ("H", RemoteProtocolError),
            ("M", RemoteProtocolError),
            ("R", EOFError),
            ("T", TimeoutError),
            ("L", RemoteProtocolError),
            ("N", RemoteProtocolError),
        ):
            with FakeMta(child.endpoint, timeout=0.3) as mta:
                mta.negotiate()
                with pytest.raises(error):
                    mta.command(letter, b"x\0")
        with FakeMta(child.endpoint, strict=False) as mta:
            mta.negotiate()
            assert len(mta.command("H", b"x\0").edits) == 1
    with pytest.raises((ConnectionError, FileNotFoundError)):
        FakeMta(child.endpoint).connect()


def test_negotiation_can_fail() -> None:
    with (
        ScriptedChild(Script(Negotiation(steps=(reply("continue"),)))) as child,
        FakeMta(child.endpoint) as mta,
        pytest.raises(RemoteProtocolError, match="instead of an answer"),
    ):
        mta.negotiate()
    with ScriptedChild(Script(Negotiation(version=9, fit=False))) as child, FakeMta(child.endpoint) as mta:
        assert mta.negotiate().version == 9


def test_raw_bytes_and_silence() -> None:
    script = Script(rules=[Rule("M", (Delay(0.05), reply("continue")))])
    with ScriptedChild(script) as child, FakeMta(child.endpoint) as mta:
        mta.negotiate()
        mta.send_raw(frame(ord("M"), b"x\0"))
        assert mta.silent_for(0.01)
        assert mta.receive() == (ord("c"), b"")
        mta.send_raw(frame(ord("C"), b"x\0"))
        assert not mta.silent_for(5)
        assert not mta.silent_for(0.01)
        mta.send_raw(b"\0\0\0\0")
        assert mta.wait_eof() == frame(ord("c"))


def test_packets_that_nobody_asked_for_are_noticed_before_the_next_command() -> None:
    script = Script(Negotiation(protocol=Protocol.NR_MAIL), [Rule("M", (reply("reject"),), forced=True)])
    with ScriptedChild(script) as child, FakeMta(child.endpoint) as mta:
        mta.negotiate()
        assert mta.mail().verdict is None
        child.wait_for(lambda event: event.code == "M")
        assert not mta.silent_for(5)
        with pytest.raises(RemoteProtocolError, match="unasked packets 'r'"):
            mta.rcpt()


def test_deliver_and_offers() -> None:
    body = send(ReplaceBody(b"x" * 100_000))
    with ScriptedChild(Script(rules=[Rule("E", (body, reply("continue")))])) as child:
        report = FakeMta(child.endpoint).deliver(replace(MAIL, body=b""), Offer(2, 0x3F, 0x7F))
        assert len(report.new_body) == 100_002
        child.wait_closed()
        assert child.letters() == "OCHMRRLLLNEAAQ"


def test_a_filter_that_is_gone_before_quit_is_no_error() -> None:
    with ScriptedChild(Script(rules=[Rule("E", (reply("accept"), Close()))])) as child:
        assert FakeMta(child.endpoint).deliver().status == "accept"
