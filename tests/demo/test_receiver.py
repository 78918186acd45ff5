"""The embedded receiver as an MTA: each verdict at its stage, edits, what becomes of the message.

Everything is tried with the scripted child asked directly and with Postmill in between: no difference.
"""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator

import pytest

from postmill.testing.script import Close, Rule, Send
from postmill.testing.words import edit, reply
from tests.demo.house import Household

MESSAGE = b"From: a@example.com\r\nSubject: hello\r\nX-Old: 1\r\n\r\nHello.\r\n..two dots\r\n"
ANNE, BOB = "anne@example.org", "bob@example.org"


@pytest.fixture(scope="module", params=["direct", "behind Postmill"])
def house(request: pytest.FixtureRequest) -> Iterator[Household]:
    with Household(behind=request.param != "direct") as house:
        yield house


def accept(smtp: smtplib.SMTP, sender: str = "a@example.com", *recipients: str) -> tuple[int, bytes]:
    """One message as far as it goes; the last reply."""
    code, text = smtp.mail(sender)
    if code != 250:
        return code, text
    for recipient in recipients or (ANNE,):
        code, text = smtp.rcpt(recipient)
    if code != 250:
        return code, text
    try:
        return smtp.data(MESSAGE)
    except smtplib.SMTPDataError as error:
        return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""


def deliver(house: Household, *recipients: str) -> tuple[int, bytes]:
    """One session with one message."""
    with house.client() as smtp:
        smtp.ehlo()
        return accept(smtp, "a@example.com", *recipients)


def test_a_message_is_delivered_as_it_came(house: Household) -> None:
    house.script()
    code, text = deliver(house, ANNE, BOB)
    assert code == 250
    (message,) = house.inbox()
    queue_id = text.decode().rpartition(" ")[2]
    assert f" id {queue_id};" in message
    assert message.startswith(f"Return-Path: <a@example.com>\nDelivered-To: {ANNE}\nDelivered-To: {BOB}\n")
    assert message.endswith("From: a@example.com\nSubject: hello\nX-Old: 1\n\nHello.\n..two dots\n")
    assert house.held() == []


def test_the_filter_sees_what_postfix_would_show(house: Household) -> None:
    house.script()
    with house.client() as smtp:
        smtp.ehlo()
        smtp.mail("a@example.com", ["SIZE=63"])
        smtp.rcpt(ANNE)
        smtp.rcpt(BOB)
        text = smtp.data(MESSAGE)[1]
    house.inbox()
    events = {event.code: event for event in house.child.events}
    assert events["C"].macro("j") == b"mx.example.org"
    assert events["M"].payload == b"<a@example.com>\0SIZE=63\0"
    assert events["M"].macro("mail_addr") == b"a@example.com"
    assert events["R"].macro("rcpt_addr") == BOB.encode()
    assert events["T"].macro("i") == events["E"].macro("i") == text.split()[-1]
    first, second = [event for event in house.child.events if event.code == "R"]
    assert (first.macro("i"), second.macro("i")) == (None, text.split()[-1])


@pytest.mark.parametrize("answer", ["550 5.7.1 no", "451 4.7.1 later", "550-5.7.1 no\\n550 5.7.1 never"])
@pytest.mark.parametrize("stage", list("MRTLNBE"))
def test_a_refusal_reaches_the_client_at_its_stage(house: Household, stage: str, answer: str) -> None:
    house.script(Rule(stage, (reply(answer),)))
    with house.client() as smtp:
        smtp.ehlo()
        lines = [line[4:] for line in answer.split("\\n")]
        assert accept(smtp) == (int(answer[:3]), "\n".join(lines).encode())
        house.script()
        smtp.rset()
        assert accept(smtp)[0] == 250, "the next message has nothing to do with it"
    assert len(house.inbox()) == 1


@pytest.mark.parametrize(("word", "code"), [("reject", 550), ("tempfail", 451)])
@pytest.mark.parametrize("stage", list("MRTE"))
def test_a_verdict_without_text(house: Household, stage: str, word: str, code: int) -> None:
    house.script(Rule(stage, (reply(word),)))
    assert deliver(house)[0] == code
    assert house.inbox() == []


@pytest.mark.parametrize("stage", list("MRTLNBE"))
def test_a_discarded_message_is_nowhere(house: Household, stage: str) -> None:
    house.script(Rule(stage, (reply("discard"),)))
    code, text = deliver(house, ANNE, BOB)
    assert (code, text[:21]) == (250, b"2.0.0 Ok: queued as 0")
    assert house.inbox() == house.held() == []


@pytest.mark.parametrize("stage", list("MRTLNBE"))
def test_an_accepted_message_is_delivered_to_all(house: Household, stage: str) -> None:
    house.script(Rule(stage, (reply("accept"),)))
    assert deliver(house, ANNE, BOB)[0] == 250
    (message,) = house.inbox()
    assert f"Delivered-To: {ANNE}\nDelivered-To: {BOB}\n" in message


def test_a_refused_recipient_gets_nothing(house: Household) -> None:
    house.script(Rule("R", (reply("550 5.1.1 not here"),), containing=ANNE.encode()))
    with house.client() as smtp:
        smtp.ehlo()
        smtp.mail("a@example.com")
        assert smtp.rcpt(ANNE) == (550, b"5.1.1 not here")
        assert smtp.rcpt(BOB)[0] == 250
        assert smtp.data(MESSAGE)[0] == 250
    (message,) = house.inbox()
    assert f"Delivered-To: {BOB}" in message
    assert ANNE not in message


def test_without_a_recipient_left_there_is_no_data(house: Household) -> None:
    house.script(Rule("R", (reply("reject"),)))
    with house.client() as smtp:
        smtp.ehlo()
        smtp.mail("a@example.com")
        assert smtp.rcpt(ANNE)[0] == 550
        assert smtp.docmd("DATA")[0] == 503


def test_a_held_message_is_in_the_other_maildir(house: Household) -> None:
    house.script(Rule("E", (edit("quarantine:suspicious"), edit("add-header:X-Held:yes"), reply("continue"))))
    assert deliver(house)[0] == 250
    (message,) = house.held()
    assert "\nX-Held: yes\n" in message
    assert house.inbox() == []


def test_edits_take_effect(house: Household) -> None:
    edits = (
        "add-header:X-Added:a",
        "insert-header:1:X-Inserted:b",
        "change-header:1:Subject:bye",
        "delete-header:1:X-Old",
        "replace-body:New\\nbody",
        "add-rcpt:<carol@example.org>",
        f"delete-rcpt:<{ANNE}>",
        "change-from:<new@example.com>",
    )
    house.script(Rule("E", (*map(edit, edits), reply("continue"))))
    assert deliver(house, ANNE, BOB)[0] == 250
    (message,) = house.inbox()
    head, _, body = message.partition("\n\n")
    top, _, rest = head.partition("Received: ")
    assert top == f"Return-Path: <new@example.com>\nDelivered-To: {BOB}\nDelivered-To: carol@example.org\n"
    assert rest.split("\n")[3:] == ["X-Inserted: b", "From: a@example.com", "Subject: bye", "X-Added: a"]
    assert body == "New\nbody\n"


def test_edits_of_a_refused_message_are_nothing(house: Household) -> None:
    house.script(Rule("E", (edit("add-header:X-A:1"), reply("reject"))))
    assert deliver(house)[0] == 550
    assert house.inbox() == house.held() == []


@pytest.mark.parametrize("stage", ["C", "H"])
@pytest.mark.parametrize("answer", ["550 5.7.1 go away", "450 4.7.1 not now"])
def test_a_refused_client_is_refused_at_each_message(house: Household, stage: str, answer: str) -> None:
    house.script(Rule(stage, (reply(answer),)))
    with (
        socket.create_connection(("127.0.0.1", house.port), timeout=20) as sock,
        sock.makefile("rwb") as smtp,
    ):

        def say(*lines: str) -> bytes:
            smtp.write("".join(f"{line}\r\n" for line in lines).encode())
            smtp.flush()
            while (line := smtp.readline())[3:4] == b"-":
                pass
            return bytes(line)

        wanted = b"554 5.7.1 go away\r\n" if stage == "C" and answer[0] == "5" else b"220 "
        assert say().startswith(wanted)
        assert say("EHLO client.example").startswith(b"250")
        for _ in range(2):
            assert say("MAIL FROM:<a@example.com>") == answer.encode() + b"\r\n"
            assert say("RCPT TO:<b@example.org>").startswith(b"503")
        assert say("QUIT").startswith(b"221")


@pytest.mark.parametrize("stage", list("CHMRTE"))
def test_421_ends_the_connection(house: Household, stage: str) -> None:
    house.script(Rule(stage, (reply("421 4.3.2 closing"),)))
    if stage == "C":
        with pytest.raises(smtplib.SMTPConnectError, match=r"4\.3\.2 closing"):
            house.client()
        return
    smtp = house.client()
    smtp.ehlo()
    assert accept(smtp) == (421, b"4.3.2 closing")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.noop()
    smtp.close()


@pytest.mark.parametrize("stage", list("HMRTE"))
def test_a_lost_filter_defers_mail(house: Household, stage: str) -> None:
    house.script(Rule(stage, (Close(),)))
    assert deliver(house)[0] == 451
    assert house.inbox() == []


def test_nonsense_of_the_filter_defers_mail(house: Household) -> None:
    house.script(Rule("M", (Send(b"\xff\xff\xff\xff\xff"),)))
    assert deliver(house)[0] == 451


def test_an_unknown_command(house: Household) -> None:
    house.script(Rule("U", (reply("502 5.5.1 never heard of"),), containing=b"JUMP"))
    with house.client() as smtp:
        smtp.ehlo()
        assert smtp.docmd("JUMP", "high") == (502, b"5.5.1 never heard of")
        assert smtp.docmd("WALK")[0] == 500
        assert accept(smtp)[0] == 250
    house.inbox()


def test_a_long_message_and_the_null_sender(house: Household) -> None:
    house.script()
    body = b"".join(b"%070d\r\n" % number for number in range(10_000))
    with house.client() as smtp:
        smtp.ehlo()
        smtp.mail("<>")
        smtp.rcpt(ANNE)
        assert smtp.data(b"Subject: long\r\n\r\n" + body)[0] == 250
    (message,) = house.inbox()
    assert message.startswith("Return-Path: <>\n")
    assert message.partition("\n\n")[2].encode() == body.replace(b"\r\n", b"\n")


def test_a_client_that_drops_the_connection(house: Household) -> None:
    house.script()
    smtp = house.client()
    smtp.ehlo()
    smtp.mail("a@example.com")
    smtp.close()
    house.child.wait_closed()
    assert deliver(house)[0] == 250
    house.inbox()
