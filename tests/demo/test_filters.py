"""The judgement of the demo's filters, without sockets."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest

from postmill.demo.filters import EICAR, FILTERS, GTUBE, MARK, Letter
from postmill.wire.packets import AddHeader, Continue, ReplyCode, ReplyPacket


def judged(name: str, mail: EmailMessage, sender: bytes = b"<a@example.org>") -> tuple[ReplyPacket, ...]:
    head, _, body = mail.as_bytes().partition(b"\n\n")
    headers = [tuple(line.split(b": ", 1)) for line in head.replace(b"\n ", b" ").split(b"\n")]
    letter = Letter(sender, [b"<b@example.org>"], [(k, v) for k, v in headers], bytearray(body))
    return FILTERS[name].judge(letter)


def mail(text: str, attachment: bytes = b"", cte: str = "7bit") -> EmailMessage:
    message = EmailMessage()
    message.set_content(text, cte=cte)
    if attachment:
        message.add_attachment(attachment, "application", "octet-stream", filename="x")
    return message


@pytest.mark.parametrize("cte", ["7bit", "base64", "quoted-printable"])
def test_spam_is_found_in_any_encoding(cte: str) -> None:
    (verdict,) = judged("spam", mail(f"Hello\n{GTUBE.decode()}\n", cte=cte))
    assert isinstance(verdict, ReplyCode)
    assert verdict.text.startswith(b"550 5.7.1 Spam")


def test_a_virus_is_found_in_an_attachment() -> None:
    message = mail("See there.\n", EICAR)
    assert base64.b64encode(EICAR)[:20] in message.as_bytes()
    (verdict,) = judged("virus", message)
    assert isinstance(verdict, ReplyCode)
    assert verdict.text.startswith(b"550 5.7.1 Virus")


@pytest.mark.parametrize("name", list(FILTERS))
def test_a_clean_mail_from_inside_passes_unchanged(name: str) -> None:
    assert judged(name, mail("Hello\n", b"attached")) == (Continue(),)


def test_each_knows_only_its_own_business() -> None:
    assert judged("virus", mail(GTUBE.decode())) == judged("spam", mail("", EICAR)) == (Continue(),)


def test_mail_from_outside_is_marked() -> None:
    marked = (AddHeader(MARK, b"from outside, example.com"), Continue())
    assert judged("tagger", mail("Hello\n"), b"<a@Example.COM>") == marked
    assert judged("tagger", mail("Hello\n"), b"<>") == (Continue(),)


def test_the_test_strings_are_the_known_ones() -> None:
    assert (len(GTUBE), len(EICAR)) == (68, 68)
