"""What milter-manager gets wrong, one test for each finding: none of it may happen here.

A reload with a typo, the last finding, is in ``tests/daemon/test_reload.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

import pytest

from postmill.testing.child import ScriptedChild
from postmill.testing.macros import MacroBook
from postmill.testing.mta import FakeMta
from postmill.testing.outcome import Outcome
from postmill.testing.plan import Mail, Recipient, SessionPlan
from postmill.testing.script import (
    CONTINUE,
    Close,
    Default,
    Delay,
    Event,
    Negotiation,
    Rule,
    Script,
    Send,
    Step,
    Steps,
    StopAnswering,
)
from postmill.testing.words import edit, reply
from postmill.wire.codes import Protocol, Reply
from postmill.wire.framing import frame
from tests.net.hosting import NO_BREAKER, Host, chain

CONTENT = "LNBE"
VERDICTS = ("reject", "tempfail", "discard", "550 5.7.1 no", "451 4.7.1 later")
IMPATIENT = {"timeouts": {"connect": "0.4s", "command": "0.4s", "content": "0.4s"}, "on_error": "accept"}
WHOLE = "MRTLLLNBE"


def once(at: str, *steps: Step) -> Script:
    """A child that does this at its first such event of the first message of a connection."""
    return Script(rules=[Rule(at, steps, nth=1, message=0 if at in "CHU" else 1)])


class Orders:
    """A child that does one odd thing in a session, once; the client's host name says which session it is."""

    def __init__(self) -> None:
        self.script = Script(rules=[Rule("CHUMRTLNBE", self._steps)])
        self._orders: dict[bytes, tuple[str, Steps]] = {}
        self._hosts: dict[int, bytes] = {}

    def order(self, at: str, *steps: Step) -> bytes:
        """Order these steps; return the host name of the session in which they are taken."""
        host = f"session{len(self._orders)}".encode()
        self._orders[host] = (at, steps)
        return host

    def _steps(self, event: Event) -> Steps:
        if event.letter == ord("C"):
            self._hosts[event.connection] = event.payload.partition(b"\0")[0]
        host = self._hosts[event.connection]
        at, steps = self._orders.get(host, ("", ()))
        if chr(event.letter) != at:
            return (Default(),)
        self._orders[host] = ("", ())
        return steps


def begin(mta: FakeMta, host: bytes = b"localhost") -> None:
    """Negotiation, CONNECT, HELO."""
    mta.negotiate()
    mta.client(host, macros={b"v": b"Postfix 3.7.11"})
    mta.helo()


def message(mta: FakeMta, body: bytes = b"text\r\n") -> str:
    """One whole message; the answer at its end in words."""
    words = [mta.mail().word, mta.rcpt().word, mta.data().word]
    assert words == ["continue"] * 3, words
    for name in (b"From", b"To", b"Subject"):
        mta.header(name, b" x")
    mta.end_of_headers()
    mta.body(body)
    return mta.end_of_message().word


def messages_seen(child: ScriptedChild) -> list[str]:
    """The events of each message, over all connections of a child."""
    seen: dict[tuple[int, int], str] = {}
    for event in child.events:
        if event.message and event.code not in "AQ":
            key = (event.connection, event.message)
            seen[key] = seen.get(key, "") + event.code
    return list(seen.values())


# -- state that leaks from one message into the next ------------------------------------------------------


@pytest.mark.parametrize("pipeline", [True, False], ids=["pipelined", "stepwise"])
def test_a_verdict_does_not_leak_into_the_next_message(pipeline: bool) -> None:
    refusing = Orders()
    with chain(refusing.script, Script(), settings=[{"pipeline": pipeline}] * 2) as served:
        for stage, verdict, polite in product(CONTENT, VERDICTS, (True, False)):
            with FakeMta(served.endpoint) as mta:
                begin(mta, refusing.order(stage, reply(verdict)))
                assert message(mta) == verdict
                if polite:
                    mta.abort()
                assert message(mta) == "continue", (stage, verdict, polite)
                assert message(mta) == "continue"
                mta.quit()
        first, second = served.settled()
        sessions = len(CONTENT) * len(VERDICTS) * 2
        assert messages_seen(second).count(WHOLE) == 2 * sessions
        assert messages_seen(first).count(WHOLE) >= 2 * sessions


def test_after_a_reject_at_header_the_next_message_passes_every_filter() -> None:
    """There it was answered ``a`` at its first header: whoever knew could send a second message unfiltered."""
    picky = Script(rules=[Rule("L", (reply("reject"),), containing=b"bad")])
    virus = Script(rules=[Rule("E", (reply("550 5.7.1 virus"),))])
    with chain(picky, virus) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        for subject, verdict in ((b" bad", "reject"), (b" x", "550 5.7.1 virus")) * 2:
            mta.mail()
            mta.rcpt()
            mta.data()
            mta.header(b"Subject", subject)
            mta.end_of_headers()
            mta.body(b"text\r\n")
            assert mta.end_of_message().word == verdict


# -- replies -----------------------------------------------------------------------------------------------


LEGAL_REPLIES = (
    b"550 no",
    b"451 later",
    b"550-5.7.1 one\r\n550 5.7.1 two",
    b"450-a\r\n450-b\r\n450 c",
    b"550 no, 100%%",
)


def test_replies_of_every_legal_form_pass() -> None:
    refusing = Orders()
    with chain(refusing.script, Script()) as served:
        for stage, text in product("MRTE", LEGAL_REPLIES):
            packet = frame(Reply.REPLYCODE, text + b"\0")
            with FakeMta(served.endpoint) as mta:
                begin(mta, refusing.order(stage, Send(packet)))
                for command, payload in (("M", b"<s@x>\0"), ("R", b"<r@x>\0"), ("T", b""), ("E", b"")):
                    mta.send_raw(frame(ord(command), payload))
                    heard = frame(*mta.receive())
                    assert heard == (packet if command == stage else frame(Reply.CONTINUE)), (stage, text)
                    if command == stage:
                        break


def test_shutdown_and_connection_failure_are_answered() -> None:
    dying = Orders()
    with chain(dying.script, Script(), settings=[{"breaker": NO_BREAKER}]) as served:
        for stage, letter in product("CHMRTLNBE", "4f"):
            with FakeMta(served.endpoint) as mta:
                mta.negotiate()
                outcomes = [mta.client(dying.order(stage, Send(frame(ord(letter))))), mta.helo()]
                outcomes += [*message_without_end(mta), mta.end_of_message()]
                assert any(outcome.reply[:1] == b"4" for outcome in outcomes), (stage, letter)
                assert outcomes[-1].letter != "4", "Postfix would lose the mail"


# -- faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", CONTENT)
def test_a_time_out_with_accept_does_not_accept_past_the_others(stage: str) -> None:
    stuck = once(stage, StopAnswering())
    virus = Script(rules=[Rule("E", (reply("550 5.7.1 virus"),))])
    with chain(stuck, virus, settings=[IMPATIENT]) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        assert message(mta) == "550 5.7.1 virus"
        assert messages_seen(served.children[1]) == [WHOLE]


@pytest.mark.parametrize("stage", CONTENT)
def test_a_child_that_closes_with_tempfail_fails_closed(stage: str) -> None:
    """There the mail passed with the others only."""
    with chain(once(stage, Close()), Script()) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        assert message(mta) == "tempfail"


def test_a_child_that_is_down_does_not_open_the_door_for_all() -> None:
    """There a child that was down with temporary-failure made the manager answer ``a`` at CONNECT."""
    with chain(Script(), Script()) as served:
        served.children[0].stop()
        with FakeMta(served.endpoint) as mta:
            mta.negotiate()
            assert mta.client().word == "tempfail"
        with chain(Script(), Script(), settings=[{"on_error": "accept"}]) as other:
            other.children[0].stop()
            with FakeMta(other.endpoint) as mta:
                begin(mta)
                assert message(mta) == "continue"
            assert messages_seen(other.children[1]) == [WHOLE]


def test_a_missing_socket_costs_no_waiting() -> None:
    """There each SMTP connection took 5 s; here the answer does not even wait for the connect time-out."""
    patient = {"on_error": "accept", "timeouts": {"connect": "60s", "command": "60s", "content": "60s"}}
    with chain(Script(), Script(), settings=[patient]) as served:
        served.children[0].stop()
        for _ in range(10):
            with FakeMta(served.endpoint) as mta:
                begin(mta)
                assert message(mta) == "continue"
                mta.quit()
        served.children[1].wait_closed(10)
        assert messages_seen(served.children[1]) == [WHOLE] * 10
        assert "left alone for now" in served.host.log
        lost = [record["children"][0]["answers"][0]["verdict"] for record in served.host.records]
        assert set(lost) == {"lost:connect", "lost:breaker"}
        served.children[0].start()


def test_a_child_that_never_answers_the_offer() -> None:
    """There the MTA never got an answer to its own offer."""
    mute = Script(Negotiation(steps=(StopAnswering(),)))
    for order in ((mute, Script()), (Script(), mute)):
        with chain(*order, settings=[IMPATIENT, IMPATIENT]) as served, FakeMta(served.endpoint) as mta:
            begin(mta)
            assert message(mta) == "continue"
    strict = {**IMPATIENT, "on_error": "tempfail"}
    with chain(mute, Script(), settings=[strict]) as served, FakeMta(served.endpoint) as mta:
        mta.negotiate()
        assert mta.client().word == "tempfail"


# -- edits ---------------------------------------------------------------------------------------------------

EDITS = (
    edit("add-rcpt:<new@x>"),
    edit("delete-rcpt:<r@x>"),
    edit("add-header:X-A:1"),
    edit("change-from:<other@x>"),
)


def test_no_edit_goes_up_before_the_last_verdict_and_none_with_a_refusal() -> None:
    editing = Script(rules=[Rule("E", (*EDITS, CONTINUE))])
    for verdict in ("reject", "tempfail", "discard", "550 5.7.1 no"):
        refusing = Script(rules=[Rule("E", (Delay(0.2), reply(verdict)))])
        with chain(editing, refusing) as served, FakeMta(served.endpoint) as mta:
            begin(mta)
            message_without_end(mta)
            outcome = mta.command("E")
            assert (outcome.edits, outcome.word) == ((), verdict)
    slow = Script(rules=[Rule("E", (StopAnswering(),))])
    with chain(editing, slow) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        message_without_end(mta)
        mta.send_raw(frame(ord("E")))
        served.children[1].wait_for(lambda event: event.code == "E")
        assert mta.silent_for(0.2)


def message_without_end(mta: FakeMta) -> list[Outcome]:
    """One message but for its end; what was said to MAIL, RCPT and DATA."""
    outcomes = [mta.mail(), mta.rcpt(), mta.data()]
    mta.header(b"Subject", b"one")
    mta.end_of_headers()
    mta.body(b"text\r\n")
    return outcomes


def test_a_header_is_changed_whatever_the_case_of_its_name() -> None:
    changing = Script(rules=[Rule("E", (edit("change-header:1:subject:two"), CONTINUE))])
    with chain(changing, Script()) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        message_without_end(mta)
        assert [repr(edit) for edit in mta.end_of_message().edits] == [
            "ChangeHeader(index=1, name=b'subject', value=b'two')"
        ]
        seen = [event.payload for event in served.children[1].events if event.code == "L"]
        assert seen == [b"subject\0two\0"]


def test_a_header_inserted_above_others_of_its_name_leaves_them_alone() -> None:
    """There every later header of that name was rewritten; and of equal ones the first was deleted."""
    first = Script(rules=[Rule("E", (edit("insert-header:0:Received:zero"), CONTINUE))])
    second = Script(rules=[Rule("E", (edit("delete-header:2:X-Same"), CONTINUE))])
    with chain(first, second, Script()) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        mta.mail()
        mta.rcpt()
        mta.data()
        for value in (b"one", b"two"):
            mta.header(b"Received", value)
        for name, value in ((b"X-Same", b"same"), (b"X-Between", b"x"), (b"X-Same", b"same")):
            mta.header(name, value)
        mta.end_of_headers()
        assert [repr(edit) for edit in mta.end_of_message().edits] == [
            "InsertHeader(index=0, name=b'Received', value=b'zero')",
            "ChangeHeader(index=2, name=b'X-Same', value=b'')",
        ]
        seen = [event.payload for event in served.children[2].events if event.code == "L"]
        assert seen == [
            b"Received\0zero\0",
            b"Received\0one\0",
            b"Received\0two\0",
            b"X-Same\0same\0",
            b"X-Between\0x\0",
        ]


# -- evaluation ------------------------------------------------------------------------------------------------


def test_an_evaluated_child_changes_nothing() -> None:
    evaluated = Orders()
    with chain(evaluated.script, Script(), settings=[{"mode": "evaluate"}]) as served:
        for stage, verdict in product(
            "CHMRTLNBE", ("550 5.7.1 secret", "451 4.7.1 x", "discard", "tempfail")
        ):
            edits = EDITS if stage == "E" else ()
            with FakeMta(served.endpoint) as mta:
                begin(mta, evaluated.order(stage, *edits, reply(verdict)))
                message_without_end(mta)
                outcome = mta.end_of_message()
                assert (outcome.word, outcome.edits) == ("continue", ()), (stage, verdict)
                assert message(mta) == "continue"
                mta.quit()
        second = served.settled()[1]
        assert set(messages_seen(second)) == {"MRTLNBE", WHOLE}
        assert len(messages_seen(second)) == 2 * 9 * 4
        for record in served.host.records:
            assert (record["verdict"], record["reply"]) == ("accept", "")
            assert record["children"][0]["edits"] == {}
        assert len(served.host.records) == 2 * 9 * 4
        words = {
            answer["verdict"] for record in served.host.records for answer in record["children"][0]["answers"]
        }
        assert words == {"continue", "reject", "tempfail", "discard"}


def test_the_text_of_an_evaluated_child_is_not_another_childs() -> None:
    secret = once("M", reply("550 5.7.1 secret"))
    plain = once("M", reply("reject"))
    with chain(secret, plain, settings=[{"mode": "evaluate"}]) as served, FakeMta(served.endpoint) as mta:
        begin(mta)
        assert mta.mail().word == "reject"


# -- bytes -------------------------------------------------------------------------------------------------------


def test_bytes_after_a_nul_arrive() -> None:
    body = b"tail\0more\xff\x80\0\0" + bytes(range(256)) * 600 + b"\0end"
    with chain(Script(), Script()) as served:
        FakeMta(served.endpoint).deliver(Mail(body=body))
        for child in served.settled():
            assert b"".join(event.payload for event in child.events if event.code == "B") == body


def test_esmtp_arguments_arrive() -> None:
    mail = Mail(
        sender_args=(b"SIZE=1000", b"BODY=8BITMIME", b"SMTPUTF8"),
        recipients=(Recipient(b"<r@x>", (b"NOTIFY=NEVER", b"ORCPT=rfc822;r@x")),),
    )
    with chain(Script(), Script()) as served:
        FakeMta(served.endpoint).deliver(mail)
        for child in served.settled():
            payloads = {event.code: event.payload for event in child.events}
            assert payloads["M"] == b"<sender@example.com>\0SIZE=1000\0BODY=8BITMIME\0SMTPUTF8\0"
            assert payloads["R"] == b"<r@x>\0NOTIFY=NEVER\0ORCPT=rfc822;r@x\0"


def test_macros_asked_for_by_long_names_arrive() -> None:
    """There they were lost, and stages without a list then got no macros at all."""
    lists = ((0, b"{client_addr} j"), (5, b"i {client_addr},{auth_authen}"))
    plan = SessionPlan(macros={"C": {b"auth_authen": b"me"}})
    with chain(Script(Negotiation(symlists=lists)), Script()) as served:
        FakeMta(served.endpoint).session(plan)
        asking, other = served.settled()
        macros = {event.code: event.macros for event in asking.events}
        assert macros["C"] == ((b"{client_addr}", b"127.0.0.1"), (b"j", b"mail.example.org"))
        assert macros["E"] == (
            (b"i", b"4Postmill1"),
            (b"{client_addr}", b"127.0.0.1"),
            (b"{auth_authen}", b"me"),
        )
        assert macros["R"] == MacroBook(plan).pairs("R", Mail(), Recipient(b"<user@example.org>"))
        assert [event.macro("j") for event in other.events if event.code == "C"] == [b"mail.example.org"]


# -- children that give no replies -----------------------------------------------------------------------------------

SILENCES = {
    "headers": Protocol.NR_HDR,
    "end of headers": Protocol.NR_EOH,
    "body": Protocol.NR_BODY,
    "content": Protocol.NR_HDR | Protocol.NR_EOH | Protocol.NR_BODY,
    "envelope": Protocol.NR_CONN | Protocol.NR_HELO | Protocol.NR_MAIL | Protocol.NR_RCPT | Protocol.NR_DATA,
    "all": 0xFF080 & ~Protocol.NR_UNKN,
}


@pytest.mark.parametrize("pipeline", [True, False], ids=["pipelined", "stepwise"])
def test_children_that_give_no_replies_see_everything(pipeline: bool) -> None:
    editing = [Rule("E", (edit("add-header:X-Q:1"), CONTINUE))]
    with ExitStack() as stack:
        other = stack.enter_context(ScriptedChild())
        host = Host()
        rows = []
        for protocol in SILENCES.values():
            scripts = [Script(Negotiation(protocol=protocol), editing)] * 2
            quiet, more = (stack.enter_context(ScriptedChild(script)) for script in scripts)
            for row in ((quiet, other), (other, quiet), (quiet,), (quiet, more)):
                milters = {
                    f"child{n}": {"socket": str(child.endpoint), "pipeline": pipeline}
                    for n, child in enumerate(row)
                }
                rows.append((host.add(milters), row))
        stack.enter_context(host)
        for endpoint, row in rows:
            with FakeMta(endpoint) as mta:
                begin(mta)
                assert message(mta) == "continue"
                assert message(mta) == "continue"
                mta.quit()
            for child in row:
                child.wait_closed()
                seen = [
                    letters.replace("LLLLL", "LLL").replace("LLLL", "LLL") for letters in messages_seen(child)
                ]
                assert seen == [WHOLE, WHOLE]
                child.clear()
